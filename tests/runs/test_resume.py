"""The real command, killed within an epoch, against the run that never was."""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

STEPS = 60


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """Gates and augmentation draw in every step; two epochs of 30 steps."""
    images = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (images / label).mkdir()
        for index in range(6):
            pixels = rng.integers(0, 255, (20, 24, 3), np.uint8)
            encoded = tf.io.encode_jpeg(pixels).numpy()
            (images / label / f"{index}.jpg").write_bytes(encoded)
    return (
        f"--dataset=folder:{images}",
        "--backbone=resnet14",
        "--image_size=16",
        "--epochs=2",
        f"--steps_per_epoch={STEPS // 2}",
        "--batch_size=4",
        "--validation_fraction=0.34",
        "--test_fraction=0.34",
        "--report=never",
        "--gate_units=4",
        "--gate_policy=random",
        "--random_resized_crop_min_area=0.5",
        "--horizontal_flip",
        "--mixup_alpha=0.2",
        "--learning_rate=0.001",
        "--head_learning_rate=0.001",
    )


def start(arguments, folder, *more):
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "adafilter_tf.run",
            *arguments,
            f"--output_dir={folder}",
            *more,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_step(folder):
    names = [path.name for path in (folder / "checkpoints").glob("step_*")]
    return max((int(name.removeprefix("step_")) for name in names), default=0)


def signal_after(process, folder, step, number):
    """Sends the signal once a checkpoint beyond `step` is there; gives all it said."""
    deadline = time.monotonic() + 600
    while last_step(folder) <= step and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=600)
    return errors


@pytest.mark.slow
def test_killed_and_preempted_run_ends_with_the_weights_of_the_uninterrupted(
    arguments, tmp_path
):
    whole = start(arguments, tmp_path / "whole", "--keep_checkpoints=9")
    assert whole.wait(timeout=900) == 0, whole.stderr.read()
    whole.stderr.close()
    folder = tmp_path / "killed"
    every = ("--checkpoint_steps=1",)

    killed = start(arguments, folder, *every)
    signal_after(killed, folder, 2, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    step = last_step(folder)
    assert 3 <= step < STEPS
    newest = folder / f"checkpoints/step_{step:09d}"
    (newest / "arrays.npz").write_bytes(b"damaged")

    preempted = start(arguments, folder, *every)
    errors = signal_after(preempted, folder, step + 1, signal.SIGTERM)
    assert preempted.returncode == 75, errors
    assert f"Passing over the damaged checkpoint {newest}" in errors
    assert f"Resuming at step {step - 1} of {STEPS}." in errors
    line = errors.strip().splitlines()[-1]
    step = last_step(folder)
    assert step < STEPS
    assert (
        line == f"Asked to end; saved at step {step}. The same command resumes there."
    )

    resumed = start(arguments, folder, *every)
    _, errors = resumed.communicate(timeout=900)
    assert resumed.returncode == 0, errors
    assert f"Resuming at step {step} of {STEPS}." in errors
    for name in ("arrays", "metrics"):  # the metrics are those of the whole epoch
        found, expected = (
            np.load(tmp_path / run / f"checkpoints/step_{STEPS:09d}/{name}.npz")
            for run in ("killed", "whole")
        )
        assert found.files == expected.files and found.files
        for key in expected.files:
            assert np.array_equal(found[key], expected[key]), (name, key)
    shutil.rmtree(tmp_path)
