import json
import re

import numpy as np
import pytest
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.experiments import report, store, tables
from tests.experiments.fake_trials import TASKS, make_metrics, make_plan

ROWS = [
    "fine_tuning method=fine_tuning learning_rate=0.1|1",
    "frozen method=fine_tuning tune_blocks=none learning_rate=0.1|1",
    "adafilter method=adafilter learning_rate=0.1|1",
]
# Test accuracy by row and task on the seeds 0 and 1.
ACCURACIES = {
    "fine_tuning": {"digits": (0.90, 0.88), "toys": (0.80, 0.78)},
    "frozen": {"digits": (0.70, 0.70), "toys": (0.60, 0.64)},
    "adafilter": {"digits": (0.93, 0.92), "toys": (0.79, 0.77)},
}
MARKDOWN = """\
| Method | digits | toys | Average | Reduction [95 % interval] | Within tasks | \
Over tasks (p) | Detectable | Wins-losses | Train s | Parameters M, trained / all |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| adafilter | 7.5 ± 0.7 | 22.0 ± 1.4 | 14.75 | +1.25 [-1.93, +4.43] | [-1.93, +4.43] | \
[-27.34, +29.84] (1.000) | 36.75 | 1-1 (0-1) | 8.0 | 0.5 / 1 |
| fine_tuning | 11.0 ± 1.4 | 21.0 ± 1.4 | 16.00 | reference |  |  |  |  | \
8.0 | 0.5 / 1 |
| frozen | 30.0 ± 0.0 | 38.0 ± 2.8 | 34.00 | -18.00 [-43.41, +7.41] | \
[-31.27, -4.73] | [-30.71, -5.29] (0.500) | 16.33 | 0-2 (0-1) | 8.0 | 0.5 / 1 |

Accuracy of frozen features in %, the nearness of each task: digits 70.0, toys 62.0.
"""
REDUCTION = """\
| Method | digits | toys |
| --- | ---: | ---: |
| adafilter | +3.50 [-2.85, +9.85] | -1.00 [-1.00, -1.00] |
| frozen | -19.00 [-31.71, -6.29] | -17.00 [-55.12, +21.12] |
"""
HEALTH = """\
| Method | Train, mean (lowest) | Validation digits | Validation toys | Chosen |
| --- | ---: | ---: | ---: | ---: |
| adafilter | 99.5 (99.0) | 10.0 to 40.0 | 10.0 to 40.0 | learning_rate=1: 2 |
| fine_tuning | 99.5 (99.0) | 10.0 to 40.0 | 10.0 to 40.0 | learning_rate=1: 2 |
| frozen | 99.5 (99.0) | 10.0 to 40.0 | 10.0 to 40.0 | learning_rate=1: 2 |
"""
CHOICE = """\
| Method | own | all frozen | Tuned % | Image-dependent % | Moved % \
| Information, bits |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| adafilter | 14.75 | 50.00 (-35.25 [-38.71, -31.79]) | 25 | 50 | 75 | 0.125 |
"""


GATES = {
    "tuned_fraction": 0.25,
    "image_dependent_fraction": 0.5,
    "moved_fraction": 0.75,
    "class_information": 0.125,
}


def finish(plan, results):
    for trial in plan.search_trials():
        accuracy = [0.6, 0.9][trial.setting]
        results.save(trial, make_metrics(validation_accuracy=accuracy))
    chosen = {(task.name, row.name): 1 for task in plan.tasks for row in plan.rows}
    for trial in plan.final_trials(chosen):
        metrics = make_metrics(
            test_accuracy=ACCURACIES[trial.row][trial.task][trial.seed],
            train_accuracy={"digits": 1.0, "toys": 0.99}[trial.task],
        )
        if trial.row == "adafilter":
            metrics["validation_gates"] = GATES
            by_gates = {"own": metrics["test_accuracy"], "all_frozen": 0.5}
            metrics["test_accuracy_with_gates"] = by_gates
        results.save(trial, metrics)


@pytest.fixture
def plan():
    return make_plan(rows=ROWS)


@pytest.fixture
def folder(tmp_path, plan):
    with store.open_store(tmp_path, plan) as results:
        finish(plan, results)
        report.write_report(tmp_path, plan, results)
    return tmp_path


def read_strictly(path):
    def refuse(text):
        raise AssertionError(f"{path} has {text}")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_results_have_each_trial_and_the_differences(folder, plan):
    results = read_strictly(folder / "results.json")
    assert results["unit"] == "percent" and results["plan"] == plan.to_json()
    assert len(results["cells"]) == 2 * 3 * 2 + 2 * 3 * 2
    last = results["cells"][-1]
    assert last["flags"][-1] == "--seed=1"
    assert last["metrics"] == make_metrics(
        test_accuracy=0.77,
        train_accuracy=0.99,
        validation_gates=GATES,
        test_accuracy_with_gates={"own": 0.77, "all_frozen": 0.5},
    )
    trial = results["tasks"]["digits"]["adafilter"]
    # Differences 3 and 4 points: mean 3.5, s = 1 / sqrt(2), t(0.975, 1) = 12.7062.
    assert trial["mean_test_error"] == pytest.approx(7.5)
    assert trial["std_test_error"] == pytest.approx(0.5**0.5)
    assert trial["paired_error_reduction_vs_fine_tuning"] == pytest.approx(3.5)
    assert trial["ci95_low"] == pytest.approx(3.5 - 12.7062 / 2, abs=1e-4)
    assert trial["ci95_high"] == pytest.approx(3.5 + 12.7062 / 2, abs=1e-4)
    assert trial["num_seeds"] == 2
    assert trial["chosen_flags"] == {"method": "adafilter", "learning_rate": "1"}
    spread = [setting["mean_validation_error"] for setting in trial["search"]]
    assert spread == pytest.approx([40.0, 10.0])


def test_averages_are_over_tasks(folder):
    results = read_strictly(folder / "results.json")
    average = results["average_error_reduction"]["adafilter"]
    # Seed 0: (3 - 1) / 2 = 1; seed 1: (4 - 1) / 2 = 1.5.
    assert average["mean"] == pytest.approx(1.25)
    assert average["ci95_low"] == pytest.approx(1.25 - 12.7062 / 4, abs=1e-4)
    # By task 3.5 and -1: s = 4.5 / sqrt(2).
    assert average["ci95_over_tasks_low"] == pytest.approx(
        1.25 - 12.7062 * 4.5 / 2, abs=1e-3
    )
    assert (average["wins"], average["losses"]) == (1, 1)
    assert results["average_test_error"]["adafilter"] == pytest.approx(14.75)
    assert results["frozen_features_accuracy"] == pytest.approx(
        {"digits": 70.0, "toys": 62.0}
    )
    assert results["cost"]["frozen"] == {
        "mean_train_seconds": 8.0,
        "trainable_parameters": 500_000.0,
        "parameters": 1_000_000.0,
    }


def test_tables_are_sorted_by_average_error(folder):
    text = (folder / "results.md").read_text()
    assert text.startswith("# Comparison\n\nTest error in %, mean ± standard deviation")
    assert MARKDOWN in text
    assert REDUCTION in text
    assert HEALTH in text
    assert text.endswith(CHOICE)


def test_summary_has_the_differences_in_80_columns(folder):
    lines = tables.format_summary(read_strictly(folder / "results.json")).splitlines()
    assert max(map(len, lines)) <= 80
    # As in the test of the averages; 12.7062 is the quantile of one degree of freedom.
    (line,) = (each for each in lines if each.startswith("adafilter"))
    assert line.endswith("+1.25 [-1.93, +4.43]")


def test_plot_is_a_picture_with_ink(folder):
    pixels = np.asarray(Image.open(folder / "results.png").convert("L"))
    assert pixels.shape[1] == 9 * 150
    assert pixels.min() < 64 and (pixels == 255).mean() > 0.5


def test_only_whole_files_are_left(folder):
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "cells",
        "plan.json",
        "results.json",
        "results.md",
        "results.png",
    }


def test_one_seed_and_one_setting_need_no_interval_and_no_search(tmp_path):
    rows = [row.replace("0.1|", "") for row in ROWS]
    plan = make_plan(tasks=TASKS[:1], rows=rows, seeds=["0"])
    with store.open_store(tmp_path, plan) as results:
        for trial in plan.final_trials({}):
            results.save(trial, make_metrics())
        text = report.write_report(tmp_path, plan, results)
    assert (
        "| adafilter | 20.0 | 20.00 | +0.00 |  |  |  | 0-0 (0-0) | 8.0 | 0.5 / 1 |"
        in text
    )
    assert "| adafilter | 100.0 (100.0) |  |  |\n" in text
    assert re.search(r"^adafilter +20.0 %   \+0.00$", text, re.MULTILINE)
    assert "can be chance." in text
    trial = read_strictly(tmp_path / "results.json")["tasks"]["digits"]["adafilter"]
    assert trial["ci95_low"] is None and trial["std_test_error"] is None


def test_unfinished_comparison_is_no_report(tmp_path, plan):
    with store.open_store(tmp_path, plan) as results:
        finish(plan, results)
        missing = plan.final_trials(
            {(t.name, r.name): 1 for t in plan.tasks for r in plan.rows}
        )
        results.path(missing[3]).unlink()
        with pytest.raises(
            errors.RunError, match=f"trial {missing[3]} is not finished"
        ):
            report.write_report(tmp_path, plan, results)
    assert not (tmp_path / "results.json").exists()
