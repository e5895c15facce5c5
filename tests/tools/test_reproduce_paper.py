import json

import numpy as np
import pytest
from absl import flags
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.experiments import parsing
from tools import reproduce_paper


def options(*arguments):
    values = flags.FlagValues()
    reproduce_paper.define_flags(values)
    values(["reproduce_paper", *arguments])
    return values


def write_task(root, name, num_train=6):
    """A data set in the layout of tools.prepare_paper: grey for grey, bright for b."""
    rng = np.random.default_rng(0)
    for split, number in (("train", num_train), ("validation", 3), ("test", 4)):
        for label, low in (("grey", 0), ("bright", 150)):
            folder = root / name / split / label
            folder.mkdir(parents=True)
            for index in range(number):
                pixels = rng.integers(low, low + 100, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")


def test_every_task_has_a_flagfile_with_the_same_hyperparameters(tmp_path):
    for name in reproduce_paper.TASKS:
        (tmp_path / name / "train").mkdir(parents=True)
    (tmp_path / "stanford_dogs" / "0.2.0").mkdir()
    found = reproduce_paper.find_tasks(
        options(f"--data_dir={tmp_path}", f"--tfds_dir={tmp_path}")
    )
    assert found[1] == {} and list(found[0]) == list(reproduce_paper.TASKS)
    text = reproduce_paper.format_flagfile(
        found[0], rows=["adafilter"], rates=["0.1"], seeds=["0"], output_dir="out"
    )
    assert text.count("--task=") == 7 and "--optimizer=sgd" in text


def test_missing_data_sets_are_said_with_what_brings_them(tmp_path):
    with pytest.raises(errors.RunError) as error:
        reproduce_paper.reproduce(
            options(f"--data_dir={tmp_path}", f"--tfds_dir={tmp_path}")
        )
    for part in (
        "None of the paper's data sets is here",
        "indoor67: python -m tools.prepare_paper --task=indoor67",
        "tfds.builder('stanford_dogs:0.2.0').download_and_prepare()",
    ):
        assert part in str(error.value)


def test_flagfile_is_a_comparison_of_rows_with_equal_searches(tmp_path):
    write_task(tmp_path, "indoor67")
    text = reproduce_paper.reproduce(
        options(
            f"--data_dir={tmp_path}",
            f"--tfds_dir={tmp_path}",
            "--plan_only",
            "--override=epochs=2",
        )
    )
    lines = text.splitlines()
    take = [f.partition("=")[2] for f in lines if f.startswith("--task=")]
    rows = [f.partition("=")[2] for f in lines if f.startswith("--row=")]
    plan = parsing.parse_plan(
        take, rows, ["0"], ["100"], common=[], task_flags=("dataset", "epochs")
        + tuple(f.partition("=")[0] for f in take[0].split()[1:]),
    )  # fmt: skip
    assert [task.name for task in plan.tasks] == ["indoor67"]
    assert plan.tasks[0].flags["epochs"] == "2"
    assert {len(row.settings) for row in plan.rows} == {3}
    assert rows[0].startswith("fine_tuning ") and len(rows) == len(reproduce_paper.ROWS)
    assert "# Not run: omniglot. python -m tools.prepare_paper --task=omni" in text


def test_tasks_that_differ_in_a_shared_flag_are_refused():
    present = {
        "a": {"dataset": "digits", "optimizer": "sgd"},
        "b": {"dataset": "digits", "optimizer": "adamw"},
    }
    with pytest.raises(errors.RunError, match="differ in --optimizer, .*=optim"):
        reproduce_paper.format_flagfile(
            present, rows=[], rates=["1"], seeds=["0"], output_dir="out"
        )


@pytest.mark.parametrize(
    ("argument", "message"),
    [("--override=epochs", "name=value"), ("--rows=magic", "allowed are fine_tuning")],
)
def test_wrong_options_are_refused(tmp_path, argument, message):
    write_task(tmp_path, "indoor67")
    with pytest.raises(errors.UsageError, match=message):
        reproduce_paper.reproduce(options(f"--data_dir={tmp_path}", argument))


@pytest.mark.slow
def test_table_stands_beside_the_claim_and_says_what_was_not_run(tmp_path):
    write_task(tmp_path / "data", "indoor67")
    table = reproduce_paper.reproduce(
        options(
            f"--data_dir={tmp_path / 'data'}",
            f"--tfds_dir={tmp_path}",
            f"--output_dir={tmp_path / 'out'}",
            "--rows=adafilter",
            "--seeds=0",
            "--learning_rates=0.01",
            "--override=backbone=resnet14_rgb",
            "--override=image_size=16",
            "--override=epochs=1",
            "--override=batch_size=4",
        )
    )
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    average = results["average_test_error"]["adafilter"]
    assert f"| {average:.2f} |" in table
    assert "2.54 points on average over its seven data sets; here 1 of them" in table
    assert "Not run: stanford_dogs. To have it: tfds.builder(" in table
    assert (tmp_path / "out" / "paper.md").read_text() == table


@pytest.mark.parametrize(("seeds", "has_interval"), [([0], False), ([0, 1], True)])
def test_one_seed_has_no_interval(seeds, has_interval):
    results = {
        "tasks": {"cars": {"fine_tuning": {"mean_test_error": 10.0}}},
        "average_test_error": {"fine_tuning": 10.0},
        "average_error_reduction": {"fine_tuning": {}},
        "plan": {"seeds": seeds},
    }
    table = reproduce_paper.format_table(results, {})
    assert ("95 % interval" in table) == has_interval
