"""A file system that is too small for the run, at several sizes, then made larger."""

import contextlib
import logging
import os
import subprocess

import pytest

from adafilter_tf import errors
from adafilter_tf.methods import adafilter
from adafilter_tf.training import checkpointing
from tests.conftest import compile_sgd, tiny_resnet
from tests.faults import processes

METHOD = ("--gate_policy=random", "--gate_units=4")


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs of so many bytes; gives a function that changes its size."""
    folder.mkdir()

    def mount(option):
        command = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"A tmpfs cannot be mounted here: {done.stderr.strip()}")

    mount(f"size={size}")
    try:
        yield lambda size: mount(f"remount,size={size}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def used_bytes(folder):
    """What the files of a folder take on a tmpfs, in whole pages."""
    pages = (
        -(-os.path.getsize(os.path.join(root, name)) // 4096)
        for root, _, names in os.walk(folder)
        for name in names
    )
    return 4096 * sum(pages)


def test_checkpoint_on_a_full_disk(tmp_path):
    """Without a process: the write fails in one line, the earlier one is whole."""
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    with small_disk(tmp_path / "disk", 1 << 20) as resize:
        folder = tmp_path / "disk/checkpoints"
        info = checkpointing.CheckpointInfo(1, "adafilter", 3, 1.5)
        checkpointing.save_checkpoint(folder, model, info)
        (folder.parent / "ballast").write_bytes(
            bytes((1 << 20) - used_bytes(folder) - (64 << 10))
        )
        later = checkpointing.CheckpointInfo(2, "adafilter", 3, 1.5)
        message = "step_000000002 could not be written: No space left on device"
        with pytest.raises(errors.RunError, match=message):
            checkpointing.save_checkpoint(folder, model, later)
        assert [path.name for path in folder.iterdir()] == ["step_000000001"]
        assert checkpointing.find_checkpoint(folder, method="adafilter", num_classes=3)
        resize(4 << 20)
        checkpointing.save_checkpoint(folder, model, later)


@pytest.mark.slow
def test_full_disk(amount, count, tmp_path):
    """One line says so, what was saved stays whole, and more room ends the run."""
    shares = amount((0.02, 0.2, 0.4, 0.6, 0.8), ())
    if not shares:
        pytest.skip("only in `make faults`")
    images = processes.make_images(tmp_path / "images")
    arguments = processes.arguments(images, *METHOD)
    code, err, _ = processes.run(arguments, tmp_path / "whole")
    assert code == 0, err
    expected = processes.weights(tmp_path / "whole")
    needed = used_bytes(tmp_path / "whole")
    for share in shares:
        folder = tmp_path / f"disk_{share}"
        with small_disk(folder, int(share * needed)) as resize:
            code, err, _ = processes.run(arguments, folder)
            line = (err.strip().splitlines() or [""])[-1]
            if "Traceback" in err or code != 1 or not line.startswith("Error: "):
                count.crash_of_process(f"{share} of the room", code, err)
            count.add("no room, said so", int("o space left" in line))
            logging.info("%s: %s", share, line)
            step = processes.newest_step(folder)
            found = checkpointing.find_checkpoint(
                folder / "checkpoints", method="adafilter", num_classes=2
            )
            count.add(
                "lost completed work", int((found[1].step if found else 0) < step)
            )
            count.add("with a checkpoint", int(step > 0))
            resize(4 * needed)
            code, err, _ = processes.run(arguments, folder)
            assert code == 0, err
            resumed = processes.resumed_step(err) or step
            count.add("lost completed work", int(resumed < step))
            equal = processes.are_equal(processes.weights(folder), expected)
            count.add("different final weights", int(not equal))
            count.add("disks")
            logging.info("%s", count.to_json())
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["lost completed work"] == 0
    assert count.outcomes["different final weights"] == 0
