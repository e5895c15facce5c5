import csv
import re

import pytest

from adafilter_tf import errors
from adafilter_tf.experiments import search

KEY = search.Parameter


def test_forms_of_a_line():
    lines = ["a=log:0.001..1", "--b=0..0.5", "c=int:16..128", "d=sgd|adamw", "e=1|2"]
    assert search.parse_space(lines) == [
        KEY("a", "log", (0.001, 1.0)),
        KEY("b", "linear", (0.0, 0.5)),
        KEY("c", "int", (16, 128)),
        KEY("d", "choice", ("sgd", "adamw")),
        KEY("e", "choice", ("1", "2")),
    ]


@pytest.mark.parametrize(
    "line", ["a", "a=1", "a=2..1", "a=log:0..1", "a=x..y", "=1|2", "a=1||2", "a=1..inf"]
)
def test_other_forms_are_refused(line):
    with pytest.raises(errors.UsageError, match=re.escape(f"--search={line}; allowed")):
        search.parse_space([line])


def test_no_line_and_twice_the_same_flag_are_refused():
    with pytest.raises(errors.UsageError, match="needs --search: FLAG=log:LOW..HIGH"):
        search.parse_space([])
    with pytest.raises(errors.UsageError, match="--search=a=... 2 times"):
        search.parse_space(["a=1|2", "a=2|3"])


def run(folder, method="random", trials=4, **arguments):
    pytest.importorskip("keras_tuner")
    tried = []

    def measure(values, epochs):
        tried.append((values, epochs))
        if len(tried) == arguments.get("fails_at"):
            raise errors.RunError("no image")
        loss = (values["rate"] - 0.1) ** 2
        return {"validation_loss": float("nan") if loss > 0.2 else loss}

    rows = search.run_search(
        [KEY("rate", "log", (0.001, 1.0)), KEY("kind", "choice", ("a", "b"))],
        measure,
        folder,
        search.SearchOptions(method, trials, 9, seed=0, monitor="validation_loss"),
        report=lambda line: None,
    )
    return tried, rows


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_best_trial_comes_first_and_a_search_goes_on(tmp_path, method):
    tried, rows = run(tmp_path, method)
    assert len(tried) == len(rows) == 4
    assert all(0.001 <= values["rate"] <= 1 for values, _ in tried)
    scores = [row["validation_loss"] for row in rows]
    assert scores == sorted(scores)
    more, rows = run(tmp_path, method, trials=6)
    assert (len(more), len(rows)) == (2, 6)
    search.write_results(rows, tmp_path / "trials.csv")
    with open(tmp_path / "trials.csv") as file:
        table = list(csv.DictReader(file))
    assert [row["rate"] for row in table] == [row["rate"] for row in rows]


def test_hyperband_gives_most_trials_few_epochs(tmp_path):
    tried, _ = run(tmp_path, "hyperband")
    epochs = [epochs for _, epochs in tried]
    assert max(epochs) == 9
    assert sum(count < 9 for count in epochs) > sum(count == 9 for count in epochs)


def test_error_of_a_training_ends_the_search(tmp_path):
    with pytest.raises(errors.RunError, match="no image"):
        run(tmp_path, fails_at=2)
