"""Folders of finished runs, made without training."""

import fcntl
import os
import shutil

import numpy as np
import tensorflow as tf
from absl import flags

from adafilter_tf.cli import flagfile, settings
from adafilter_tf.cli.flags import define_flags
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import run_dir

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def make_images(folder, classes=tuple(COLOURS), number=4, seed=0):
    """Noisy images of a colour, `folder/class/N.png`; returns the paths by class."""
    rng = np.random.default_rng(seed)
    paths = {}
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        paths[name] = [str(folder / name / f"{index}.png") for index in range(number)]
        for path in paths[name]:
            noise = rng.integers(-30, 30, (20, 16, 3))
            pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
            tf.io.write_file(path, tf.io.encode_png(pixels))
    return paths


def make_run(root, *flags_given, method="adafilter", change=None):
    """A run on images of three colours, four of each class in each split.

    Args:
        root: Empty folder; the run is in `root/run`, the images in `root/images`.
        *flags_given: Further flags of the run.
        method: A key of METHODS.
        change: Called with the model before it is saved.

    Returns:
        The run's folder.
    """
    values = flags.FlagValues()
    define_flags(values)
    folder = run_dir.RunDir(root / "run")
    folder.root.mkdir(parents=True)
    options = [
        "--backbone=resnet14_rgb",
        "--image_size=16",
        "--batch_size=4",
        f"--method={method}",
        f"--dataset=folder:{root / 'images'}",
        f"--output_dir={folder.root}",
        *flags_given,
    ]
    values(["run", *options])
    parts = {}
    for seed, split in enumerate(("train", "validation", "test")):
        paths = make_images(root / "images" / split, seed=seed)
        parts[split] = Examples(
            tuple(path for of_class in paths.values() for path in of_class),
            tuple(label for label in range(3) for _ in range(4)),
            tuple(COLOURS),
        )
    model = settings.build_model(values, method, 3)
    if change is not None:
        change(model)
    model_file.save_model(model, folder.model)
    splits.write_splits(Splits(**parts), folder.splits)
    atomic.write_text(folder.labels, "".join(f"{name}\n" for name in COLOURS))
    settings.resolve_defaults(values)
    atomic.write_text(folder.flagfile, flagfile.to_flagfile(values))
    return folder


def make_once(tmp_path_factory, name, make):
    """A folder that one of the test processes makes and all of them only read.

    Args:
        tmp_path_factory: Pytest's.
        name: Of the folder.
        make: Called with the empty folder by the process that comes first.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all processes of this test session
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{name}.made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (root / f"{name}.made").touch()
    return folder
