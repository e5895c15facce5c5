"""Two workers, each a command of its own: a full disk, images that go, two stages."""

import logging
import shutil

import numpy as np
import pytest

from adafilter_tf.training import checkpointing
from tests import worker_processes
from tests.faults import processes
from tests.faults.test_full_disk import small_disk, used_bytes

AT_HOME = (
    "import os, sys, adafilter_tf\nos.chdir(sys.argv.pop(1))\n"
    + worker_processes.COMMAND
)
"""The command in a folder of the worker's own, where it has its images."""


@pytest.fixture(autouse=True)
def _only_whole(amount):
    if not amount(True, False):
        pytest.skip("only in `make faults`")


def arguments(folder, *more):
    return [
        "--dataset=folder:/proc/self/cwd/images", "--backbone=resnet14",
        "--image_size=16", "--crop_fraction=1", "--batch_size=4",
        "--validation_fraction=0.34", "--test_fraction=0.34", "--learning_rate=0.001",
        "--epochs=2", "--steps_per_epoch=4", f"--output_dir={folder}", *more,
    ]  # fmt: skip


def make_homes(tmp_path):
    for index in (0, 1):
        processes.make_images(tmp_path / f"worker_{index}/images")


def start(tmp_path, folder, *more):
    return worker_processes.start_workers(
        AT_HOME,
        lambda index: [
            str(tmp_path / f"worker_{index}"),
            *arguments(folder if index == 0 else tmp_path / "nothing", *more),
        ],
    )


def last_lines(processes_of_pair):
    """The last line that each wrote to standard error; both end with 1."""
    written = worker_processes.finish(processes_of_pair, code=1)
    assert not any("Traceback" in errors for _, errors in written), written
    return [errors.strip().splitlines()[-1] for _, errors in written]


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(np.max(np.abs(np.subtract(first[k], second[k]))) for k in first)


def test_full_disk_of_the_chief(count, tmp_path):
    """Both say the chief's line; with more room they go on and end."""
    make_homes(tmp_path)
    worker_processes.finish(start(tmp_path, tmp_path / "whole"))
    expected = processes.weights(tmp_path / "whole")
    needed = used_bytes(tmp_path / "whole")
    for share in (0.01, 0.3, 0.65, 0.9):
        folder = tmp_path / f"disk_{share}"
        with small_disk(folder, int(share * needed)) as resize:
            chief, other = last_lines(start(tmp_path, folder))
            logging.info("%s: %s", share, chief)
            assert chief == other
            assert "No space left on device" in chief
            step = processes.newest_step(folder)
            found = checkpointing.find_checkpoint(
                folder / "checkpoints", method="adafilter", num_classes=2
            )
            assert (found[1].step if found else 0) == step
            resize(4 * needed)
            worker_processes.finish(start(tmp_path, folder))
            different = largest_difference(processes.weights(folder), expected)
            assert different < 1e-5
            count.add("disks")
            count.add("with a checkpoint", int(step > 0))


@pytest.mark.parametrize("index", [0, 1])
def test_images_that_go_while_two_workers_train(count, tmp_path, index):
    make_homes(tmp_path)
    folder = tmp_path / "run"
    long = ("--steps_per_epoch=400", "--checkpoint_steps=2")
    pair = start(tmp_path, folder, *long)
    processes.wait_for_checkpoint(pair[0], folder)
    shutil.rmtree(tmp_path / f"worker_{index}/images")
    lines = last_lines(pair)
    assert "was there when the run began and is gone" in lines[index]
    assert "Another worker of the 2 is gone (" in lines[1 - index]
    count.add("runs without images")


def test_chief_that_is_killed_alone(count, tmp_path):
    """The other worker ends in one line; both resume and end as the undisturbed."""
    make_homes(tmp_path)
    often = ("--steps_per_epoch=40", "--checkpoint_steps=2")
    worker_processes.finish(start(tmp_path, tmp_path / "whole", *often))
    expected = processes.weights(tmp_path / "whole")
    folder = tmp_path / "run"
    chief, other = start(tmp_path, folder, *often)
    processes.wait_for_checkpoint(chief, folder)
    chief.kill()
    chief.communicate()
    _, errors = other.communicate(timeout=600)
    assert other.returncode == 1, errors[-3000:]
    assert "Traceback" not in errors
    assert "Another worker of the 2 is gone (" in errors.strip().splitlines()[-1]
    step = processes.newest_step(folder)
    assert 0 < step < 80
    (_, errors), _ = worker_processes.finish(start(tmp_path, folder, *often))
    assert processes.resumed_step(errors) == step
    assert largest_difference(processes.weights(folder), expected) < 1e-5
    count.add("chiefs killed")


@pytest.mark.parametrize("method", ["lp_ft", "wise_ft"])
def test_methods_of_two_stages_train_as_on_one_device(count, tmp_path, method):
    make_homes(tmp_path)
    home = str(tmp_path / "worker_0")
    given = arguments(tmp_path / "one", f"--method={method}")
    alone = worker_processes.start_python(AT_HOME, [home, *given])
    worker_processes.finish([alone])
    worker_processes.finish(start(tmp_path, tmp_path / "two", f"--method={method}"))
    one, two = (processes.weights(tmp_path / name) for name in ("one", "two"))
    assert largest_difference(one, two) < 1e-5
    count.add("runs")
