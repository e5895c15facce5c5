import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from adafilter_tf import errors
from adafilter_tf.experiments import runner, store
from tests.experiments import fake_trials

SCRIPT = """
import pathlib, sys
from adafilter_tf.experiments import runner, store
from tests.experiments import fake_trials
if __name__ == "__main__":
    folder = sys.argv[1]
    plan = fake_trials.make_plan(tasks=[f"a dataset=folder:{folder}"])
    with store.open_store(pathlib.Path(folder) / "results", plan) as opened:
        runner.run_plan(
            plan, opened, fake_trials.run_forever, workers=2, report=print,
            initialize=fake_trials.initialize,
        )
"""


@pytest.fixture
def opened(tmp_path):
    with store.open_store(tmp_path, fake_trials.make_plan()) as results:
        yield results


def run(trials, results, run_trial, workers=0):
    """The lines after each trial; the first line of all says how many there are."""
    lines = []
    runner.run_trials(
        trials,
        results,
        run_trial,
        workers=workers,
        report=lines.append,
        initialize=fake_trials.initialize,
    )
    assert "trials are finished" in lines[0]
    return [line for line in lines if line.startswith("trial ")]


def test_finished_trials_are_not_run_again_and_a_missing_one_is(opened):
    trials = fake_trials.make_plan().search_trials()
    assert len(run(trials, opened, fake_trials.run_trial)) == 8
    opened.path(trials[5]).unlink()
    times = [
        opened.path(trial).stat().st_mtime_ns for trial in trials if trial != trials[5]
    ]
    [line] = run(trials, opened, fake_trials.run_trial)
    assert line.startswith("trial 8 of 8, search toys fine_tuning setting 1 seed 100: ")
    assert line.endswith("; 0 s remain")
    assert times == [
        opened.path(trial).stat().st_mtime_ns for trial in trials if trial != trials[5]
    ]


def test_final_trials_have_the_chosen_setting_and_alone_measure_test_images(opened):
    plan, lines = fake_trials.make_plan(), []
    options = {"workers": 0, "report": lines.append, "initialize": print}
    runner.run_plan(plan, opened, fake_trials.run_trial, **options)
    assert lines[0].startswith("0 of 16 trials are finished; the first")
    lines = [line for line in lines if line.startswith("trial ")]
    assert lines[0].startswith("trial 1 of 16, search digits fine_tuning setting 0")
    assert lines[-1].startswith("trial 16 of 16, final toys l2_sp seed 1: error 20.0 %")
    assert not any("test_accuracy" in opened.load(c) for c in plan.search_trials())
    finals = {
        path.parent.name: path.name for path in opened.folder.rglob("*seed1.json")
    }
    assert finals == {"fine_tuning": "0_seed1.json", "l2_sp": "1_seed1.json"}


def test_each_worker_is_a_process_of_its_own(opened):
    trials = fake_trials.make_plan().search_trials()
    assert len(run(trials, opened, fake_trials.run_trial_or_die, workers=2)) == 8
    metrics = [opened.load(trial) for trial in trials]
    assert {of["worker"] for of in metrics} == {"0 of 2", "1 of 2"}
    assert len({of["process"] for of in metrics} - {os.getpid()}) == 2


def test_process_is_renewed_now_and_then(opened, monkeypatch):
    monkeypatch.setattr(runner, "_TRIALS_PER_PROCESS", 4)
    trials = fake_trials.make_plan().search_trials()
    run(trials, opened, fake_trials.run_trial, workers=1)
    processes = [opened.load(trial)["process"] for trial in trials]
    assert len({*processes[:4]}) == len({*processes[4:]}) == 1 < len({*processes})


def test_killed_worker_is_named_and_takes_no_other_trial_with_it(opened):
    trials = fake_trials.make_plan().final_trials({})
    killed = next(
        trial for trial in trials if str(trial) == "final digits l2_sp seed 0"
    )
    message = f"process of the trial {killed} died; out of memory.*fewer --workers"
    with pytest.raises(errors.RunError, match=message):
        run(trials, opened, fake_trials.run_trial_or_die, workers=2)
    assert not opened.has(killed)
    assert all(opened.has(trial) for trial in trials[: trials.index(killed)])
    assert multiprocessing.active_children() == []
    run(trials, opened, fake_trials.run_trial, workers=2)
    assert all(opened.has(trial) for trial in trials)


@pytest.mark.parametrize("workers", [0, 1])
def test_error_of_a_trial_names_it_and_keeps_those_before(opened, workers):
    trials = fake_trials.make_plan().final_trials({})
    message = "^In the trial final digits fine_tuning seed 1: The loss is nan; lower"
    with pytest.raises(errors.RunError, match=message):
        run(trials, opened, fake_trials.run_trial_or_raise, workers=workers)
    assert [opened.has(trial) for trial in trials[:3]] == [True, False, False]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_an_interruption(tmp_path, how):
    script = tmp_path / "compare.py"
    script.write_text(SCRIPT)
    root = pathlib.Path(runner.__file__).parents[2]
    command = [sys.executable, str(script), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.DEVNULL,
        # Tests that a shell runs in the background inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as main:
        wait_until(lambda: len(list_processes(tmp_path)) == 2)
        main.send_signal(how)
        main.wait(timeout=600)
    assert main.returncode != 0
    wait_until(lambda: not any(map(is_alive, list_processes(tmp_path))))


def list_processes(folder):
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def is_alive(process):
    try:
        status = pathlib.Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_long_trial_is_not_silent(opened, monkeypatch):
    monkeypatch.setattr(runner, "_SILENCE_S", 0.05)
    trials, lines = fake_trials.make_plan().search_trials()[:1], []

    def run_slowly(flags, measure_test):
        deadline = time.monotonic() + 60
        while len(lines) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        return fake_trials.run_trial(flags, measure_test)

    runner.run_trials(
        trials, opened, run_slowly, workers=0, report=lines.append, initialize=print
    )
    assert lines[:3] == 3 * [lines[0]] and lines[0].startswith("0 of 1 trials")
    assert lines[-1].startswith("trial 1 of 1")
