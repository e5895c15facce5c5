"""Caltech-256 with a fixed number of training images per class (Griffin et al. 2007).

The data set has no official split. Ours: of each class, ordered by a hash of the file
names, the first 20 images are for the test and the next 30 or 60 for training, so that
both tasks have the same test images and the 30 are among the 60. The smallest class has
80 images. The clutter class is one of the 257.
"""

import collections
import hashlib
import pathlib
from collections.abc import Iterator

from adafilter_tf import errors
from tools.paper import archives, conversion

TEST_PER_CLASS = 20
_IMAGES = r"256_ObjectCategories/\d{3}\.[^/]+/\d{3}_\d{4}\.jpg"


def read(
    paths: list[pathlib.Path], *, per_class: int, num_images: int
) -> Iterator[conversion.Image]:
    """Yields the chosen images of 256_ObjectCategories.tar.

    Args:
        paths: The archive.
        per_class: Training images per class.
        num_images: Published number of images in the archive.

    Raises:
        errors.RunError: The archive has another number of images.
    """
    all_names = archives.names(paths[0], _IMAGES)
    if len(all_names) != num_images:
        raise errors.RunError(
            f"{paths[0]} holds {len(all_names)} images instead of {num_images}: it is "
            "incomplete or another edition. Download it again."
        )
    splits = choose(all_names, per_class)
    for name, read_member in archives.members(paths[0], _IMAGES):
        if name in splits:
            _, class_name, file = name.split("/")
            stem = file.removesuffix(".jpg")
            yield conversion.Image(splits[name], class_name, stem, read_member)


def choose(names: list[str], per_class: int) -> dict[str, str]:
    """Returns the split of each image that is used."""
    classes = collections.defaultdict(list)
    for name in names:
        classes[name.split("/")[1]].append(name)
    splits: dict[str, str] = {}
    for of_class in classes.values():
        ranked = sorted(of_class, key=_rank)
        splits |= dict.fromkeys(ranked[:TEST_PER_CLASS], "test")
        training = ranked[TEST_PER_CLASS : TEST_PER_CLASS + per_class]
        splits |= dict.fromkeys(training, "train")
    return splits


def _rank(name):
    file = name.rpartition("/")[2]
    return hashlib.sha256(file.encode()).hexdigest(), file
