"""--time_limit: a plan that is made once, and whole runs that end in time."""

import functools
import json
import time

import pytest

from adafilter_tf import errors, training
from adafilter_tf.cli import flagfile, trial
from adafilter_tf.cli.modes import train
from adafilter_tf.runs import run_dir, time_limit
from adafilter_tf.training import time_plan
from tests import run_folders
from tests.command_line import call

OPTIONS = training.TrainingOptions(
    epochs=30, steps_per_epoch=10, batch_size=8, log_every=50
)


@pytest.fixture
def command(capfd):
    return functools.partial(call, capfd)


@pytest.fixture
def rehearsals(monkeypatch):
    """Rehearsals that find steps of half a second; the times that they were given."""
    given = []

    def rehearse(*args, seconds, clock):
        given.append(seconds)
        return time_plan.Pace(2.0, 0.5, 1.0, 0.0, 0.1)

    monkeypatch.setattr(time_plan, "rehearse", rehearse)
    monkeypatch.setattr(time_plan, "count_work", lambda *args: time_plan.Work(1, 0, 0))
    return given


def limit(folder, deadline):
    return time_limit.limit_length(
        None, None, folder, None, OPTIONS, deadline=deadline, clock=lambda: 100.0
    )


def test_plan_is_made_once_and_kept(rehearsals, tmp_path):
    folder = run_dir.RunDir(tmp_path / "run")
    chosen = limit(folder, deadline=160.0)
    assert rehearsals == [60.0]
    # 0.92 * 60 s, 9.2 s of them before and after; 5.4 s an epoch.
    assert (chosen.epochs, chosen.steps_per_epoch) == (8, 10)
    assert json.loads(folder.time_plan.read_text())["most_epochs"] == 30
    assert limit(folder, deadline=1e6) == chosen
    assert rehearsals == [60.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"epochs": 3}', "steps_per_epoch"),
        ('{"epochs": 0, "steps_per_epoch": 1}', "0"),
    ],
)
def test_plan_that_is_none_is_refused(rehearsals, tmp_path, text, message):
    folder = run_dir.RunDir(tmp_path)
    folder.time_plan.write_text(text)
    with pytest.raises(errors.RunError, match=f"time_plan.json.*{message}"):
        limit(folder, deadline=160.0)


def test_plan_of_a_training_that_began_is_not_made_again(rehearsals, tmp_path):
    folder = run_dir.RunDir(tmp_path)
    (folder.checkpoints / "step_000000004").mkdir(parents=True)
    with pytest.raises(errors.RunError, match="time_plan.json is gone"):
        limit(folder, deadline=160.0)
    assert rehearsals == []


@pytest.mark.parametrize(
    ("started", "now", "index", "deadline"),
    [
        (0.0, 8.0, 0, 50.0),
        (0.0, 70.0, 1, 100.0),  # the first method took too long
        (0.0, 30.0, 1, 80.0),  # or less than its half
        (500.0, 510.0, 1, 560.0),  # or ended before a resume
    ],
)
def test_method_and_baseline_have_half_of_the_time(
    monkeypatch, started, now, index, deadline
):
    values = flagfile.parse(["--time_limit=100s"])
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert train._set_deadline(values, started, index, count=2) == deadline
    values["time_limit"].value = None
    assert train._set_deadline(values, started, index, count=2) is None


def test_comparison_has_no_time_limit():
    with pytest.raises(errors.UsageError, match="time_limit=9m in a comparison"):
        trial.check_flags(["--time_limit=9m"])


@pytest.mark.slow
def test_run_without_time_takes_a_step_and_is_complete(command, tmp_path):
    images = tmp_path / "images"
    run_folders.make_images(images, number=6)
    arguments = (
        "--backbone=resnet14_rgb",
        "--image_size=16",
        "--batch_size=4",
        "--method=lp_ft",
        "--validation_fraction=0.34",
        "--test_fraction=0.34",
        "--export_formats=",
        "--time_limit=1s",
        f"--dataset=folder:{images}",
        f"--output_dir={tmp_path / 'run'}",
    )
    started = time.monotonic()
    code, out, err = command(*arguments)
    assert code == 0, err
    assert time.monotonic() - started < 120
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["steps"] == 2  # one for each stage
    assert "--time_limit=1s" in (tmp_path / "run" / "flags.cfg").read_text()
