"""The colour source task: Google's emoji and half the categories of Openclipart."""

import hashlib
import tempfile

import numpy as np

from adafilter_tf.files import packages
from tools import clip_art, emoji, source_task, task_images

_MIN_IMAGES = 12
_MAX_IMAGES = 250
_TEST_SHARE = 0.1


def load(package_dir: str | None) -> source_task.SourceTask:
    """Reads both packages; one set of labels holds the classes of both.

    Args:
        package_dir: Folder of their files; None lets npm and apt-get fetch them.

    Raises:
        errors.RunError: A package cannot be had or is not the recorded one.
    """
    with tempfile.TemporaryDirectory() as cache_dir:
        google = packages.fetch(emoji.GOOGLE, package_dir, cache_dir)
        openclipart = packages.fetch(clip_art.OPENCLIPART, package_dir, cache_dir)
        images = [
            *emoji.read_google(google),
            *clip_art.read_openclipart_source(openclipart),
        ]
    images = task_images.select(images, min_images=_MIN_IMAGES, max_images=_MAX_IMAGES)
    images = task_images.assign_splits(images, _TEST_SHARE)
    class_names = tuple(sorted({image.class_name for image in images}))
    train_images, train_labels = _stack(images, "train", class_names)
    test_images, test_labels = _stack(images, "test", class_names)
    return source_task.SourceTask(
        name="Emoji Openclipart",
        origin=" ".join(
            f"{package.origin}: {package.licence}; read from the {package.manager} "
            f"package `{package.name}` {package.version}."
            for package in (emoji.GOOGLE, clip_art.OPENCLIPART)
        ),
        limits=(
            "Emoji (with skin tones; classes are Unicode's subgroups) and drawings of "
            f"the categories {', '.join(clip_art.SOURCE_CATEGORIES)}: in colour, "
            "small, one object, on white. No photographs. Other vendors' emoji are a "
            "near transfer, for they show the same things. Made for experiments and "
            "tests, not for a product."
        ),
        class_names=class_names,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        background=255,
    )


def _stack(images, split, class_names):
    """Arrays in the order of a hash of the groups, so that the last ones are a split.

    The variants of one drawing stay together.
    """
    chosen = [image for image in images if image.split == split]
    chosen.sort(key=lambda image: (_hash(image.group), image.class_name, image.name))
    labels = [class_names.index(image.class_name) for image in chosen]
    return np.stack([image.pixels for image in chosen]), np.array(labels, np.int32)


def _hash(text):
    # Another hash than that of the test split, or validation would be its neighbours.
    return hashlib.sha256(f"order of {text}".encode()).hexdigest()
