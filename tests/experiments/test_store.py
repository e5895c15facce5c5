import fcntl
import json

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.experiments import store
from tests.experiments.fake_trials import ROWS, TASKS, make_metrics, make_plan

ROW_NAME, *ROW_FLAGS = ROWS[0].split()


@pytest.fixture
def finished(tmp_path):
    """A folder with one finished trial of the usual plan."""
    with store.open_store(tmp_path / "results", make_plan()) as opened:
        opened.save(make_plan().search_trials()[0], make_metrics())
    return tmp_path / "results"


def test_saved_trial_is_read_back_with_its_flags(finished):
    trial, missing, *_ = make_plan().search_trials()
    with store.open_store(finished, make_plan()) as opened:
        assert opened.load(trial) == make_metrics()
        assert opened.has(trial) and not opened.has(missing)
        with pytest.raises(errors.RunError, match="setting 1 seed 100 is not finished"):
            opened.load(missing)
    path = finished / "cells/search/digits/fine_tuning/0_seed100.json"
    assert json.loads(path.read_text())["flags"] == list(trial.flags)


def test_non_finite_numbers_become_null(tmp_path):
    trial = make_plan().search_trials()[0]
    with store.open_store(tmp_path, make_plan()) as opened:
        opened.save(trial, {"a": float("nan"), "b": np.float32("inf"), "c": np.ones(2)})
        assert opened.load(trial) == {"a": None, "b": None, "c": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"tasks": [TASKS[0].replace("=2", "=3"), TASKS[1]]},
            "--task=digits had epochs=2, now epochs=3.",
        ),
        ({"tasks": TASKS[:1]}, "--task=toys is missing now."),
        ({"rows": ROWS[:1]}, f"--row={ROWS[1].split()[0]} is missing now."),
        (
            {"rows": [" ".join([ROW_NAME, *ROW_FLAGS[::-1]]), ROWS[1]]},
            "--row=fine_tuning has its flags in another order.",
        ),
        (
            {"rows": [ROWS[0].replace("|1", "|1 decay=0"), ROWS[1]]},
            "--row=fine_tuning had no decay, now decay=0.",
        ),
        ({"seeds": ["0", "2"]}, "--seeds has no 1 now."),
        ({"search_seeds": ["9"]}, "--search_seeds was 100, now 9."),
        ({"common": ["--x"]}, "all trials had --batch_size=8, now --x."),
    ],
)
def test_changed_plan_names_the_difference_and_overwrites_nothing(
    finished, changes, message
):
    before = {path: path.read_bytes() for path in finished.rglob("*.json")}
    with pytest.raises(errors.RunError) as caught:
        with store.open_store(finished, make_plan(**changes)):
            pass
    assert f"belongs to another comparison: {message} Choose" in str(caught.value)
    assert {path: path.read_bytes() for path in finished.rglob("*.json")} == before


def test_plan_may_grow_and_change_its_order(finished):
    plan = make_plan(
        tasks=[*TASKS[::-1], "new dataset=digits"],
        rows=[*ROWS, "x method=x|y"],
        seeds=["0", "1", "2"],
    )
    with store.open_store(finished, plan) as opened:
        assert [opened.has(trial) for trial in plan.search_trials()].count(True) == 1
    assert json.loads((finished / "plan.json").read_text()) == plan.to_json()


def test_plan_without_finished_trials_may_be_changed(tmp_path):
    with store.open_store(tmp_path, make_plan()):
        pass
    with store.open_store(tmp_path, make_plan(seeds=["5"])):
        pass
    assert json.loads((tmp_path / "plan.json").read_text())["seeds"] == [5]


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(errors.UsageError, match=r"other files \(thesis.tex\) and no"):
        with store.open_store(tmp_path, make_plan()):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_folder_in_which_another_process_works_is_refused(finished):
    with open(finished / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(errors.RunError, match="Another process is working"):
            with store.open_store(finished, make_plan()):
                pass
