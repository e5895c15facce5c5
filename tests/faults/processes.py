"""The real command in a process of its own, and what it left."""

import hashlib
import io
import pathlib
import re
import subprocess
import sys
import time
import zipfile

import h5py
import numpy as np
import tensorflow as tf

_RESUMING = re.compile(r"Resuming at step (\d+) of")


def make_images(folder, number=6):
    """Two classes of random images of 20 x 24 pixels."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for index in range(number):
            pixels = rng.integers(0, 255, (20, 24, 3), np.uint8)
            encoded = tf.io.encode_jpeg(pixels).numpy()
            (folder / label / f"{index}.jpg").write_bytes(encoded)
    return folder


def arguments(images, *more):
    """Gates and augmentation draw in every step; a checkpoint every third one."""
    return (
        f"--dataset=folder:{images}",
        "--backbone=resnet14",
        "--image_size=16",
        "--epochs=2",
        "--steps_per_epoch=20",
        "--batch_size=4",
        "--validation_fraction=0.34",
        "--test_fraction=0.34",
        "--random_resized_crop_min_area=0.5",
        "--horizontal_flip",
        "--mixup_alpha=0.2",
        "--learning_rate=0.001",
        "--head_learning_rate=0.001",
        "--checkpoint_steps=3",
        "--report=never",
        *more,
    )


def kill_after_first_checkpoint(arguments, folder):
    """Runs the command until its first checkpoint; returns that checkpoint's step."""
    process = subprocess.Popen(
        [sys.executable, "-m", "adafilter_tf.run", *arguments,
         f"--output_dir={folder}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_checkpoint(process, folder)
    process.kill()
    process.wait()
    return newest_step(folder)


def wait_for_checkpoint(process, folder):
    """Returns when the folder has a checkpoint, or the process has ended."""
    deadline = time.monotonic() + 600
    while not newest_step(folder) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run(arguments, folder, *, kill_after=None):
    """Runs the command, perhaps until it is killed.

    Args:
        arguments: Without --output_dir.
        folder: Of the run.
        kill_after: Seconds; None waits for the end.

    Returns:
        Exit code (-9 when it was killed), standard error, seconds.
    """
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "adafilter_tf.run", *arguments,
         f"--output_dir={folder}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    return process.returncode, errors, time.monotonic() - start


def newest_step(folder):
    """The step of the newest checkpoint, 0 for none."""
    steps = [path.name.removeprefix("step_") for path in _checkpoints(folder)]
    return max(map(int, steps), default=0)


def resumed_step(errors):
    """The step at which a process went on; None when it did not come to that."""
    found = _RESUMING.search(errors)
    return int(found.group(1)) if found else None


def finished_files(folder):
    """The SHA-256 of each file that is written once and stays.

    The model does from its metrics on; before, it is saved again from the last step.
    """
    names = ["metrics.json", "split.csv", "images.csv", "labels.txt"]
    if (folder / "metrics.json").exists():
        names.append("model.keras")
    paths = [folder / name for name in names]
    paths += sorted((folder / "export").glob("[0-9]*/saved_model.pb"))
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.exists()
    }


def weights(folder):
    """All arrays of the trained model and of the last checkpoint, by name."""
    arrays = {}
    with zipfile.ZipFile(folder / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(
            lambda name, entry: (
                arrays.update({name: entry[()]})
                if isinstance(entry, h5py.Dataset)
                else None
            )
        )
    with np.load(max(_checkpoints(folder)) / "arrays.npz") as archive:
        arrays.update(archive)
    return arrays


def are_equal(first, second):
    """Whether all arrays are equal bit by bit."""
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def _checkpoints(folder):
    return list(pathlib.Path(folder).glob("checkpoints/step_*"))
