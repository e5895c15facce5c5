"""Two workers that are stopped within an epoch, and go on."""

import signal
import time

import numpy as np
import pytest

from tests import worker_processes

STEPS = 40


def arguments(tmp_path, folder):
    return [
        "--dataset=digits", f"--data_dir={tmp_path}/data", "--backbone=resnet14",
        "--image_size=16", "--crop_fraction=1", "--examples_per_class=2",
        "--validation_fraction=0.02", "--test_fraction=0.02", "--epochs=2",
        f"--steps_per_epoch={STEPS // 2}", "--batch_size=4", "--gate_from=stage3",
        "--learning_rate=0.001", "--checkpoint_steps=1", "--export_formats=",
        f"--output_dir={tmp_path}/{folder}",
    ]  # fmt: skip


def start(tmp_path, folder):
    return worker_processes.start_workers(
        worker_processes.COMMAND,
        lambda index: arguments(tmp_path, folder if index == 0 else "nothing"),
    )


def list_steps(folder):
    paths = (folder / "checkpoints").glob("step_*")
    return sorted(int(path.name.removeprefix("step_")) for path in paths)


def load(folder, name):
    with np.load(folder / f"checkpoints/step_{STEPS:09d}/{name}.npz") as archive:
        return [archive[key] for key in archive.files]


@pytest.mark.slow
def test_sigterm_at_one_worker_stops_both_at_one_step_from_which_they_go_on(tmp_path):
    given = arguments(tmp_path, "alone")
    alone = worker_processes.start_python(worker_processes.COMMAND, given)
    worker_processes.finish([alone])
    folder = tmp_path / "two"

    processes = start(tmp_path, "two")
    deadline = time.monotonic() + 600
    while not list_steps(folder) and processes[1].poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    written = worker_processes.finish(processes, code=75)
    step = list_steps(folder)[-1]
    assert 0 < step < STEPS and step != STEPS // 2
    for _, errors in written:
        assert f"Asked to end; saved at step {step}. The same command" in errors

    written = worker_processes.finish(start(tmp_path, "two"))
    for _, errors in written:
        assert f"Resuming at step {step} of {STEPS}." in errors
    # The metrics are those of the whole epoch, parts of it counted before the stop.
    for name, tolerance in (("arrays", 1e-5), ("metrics", 1e-3)):
        expected = load(tmp_path / "alone", name)
        for found, one in zip(load(folder, name), expected, strict=True):
            np.testing.assert_allclose(found, one, atol=tolerance)
    assert not (tmp_path / "nothing").exists()
