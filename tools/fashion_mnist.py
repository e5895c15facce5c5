"""Fashion-MNIST as Debian ships it: four gzipped idx files."""

import dataclasses
import gzip
import math
import os
import zlib

import numpy as np

from adafilter_tf import errors
from tools import source_task

DEBIAN_PACKAGE = "dataset-fashion-mnist"
CLASS_NAMES = (
    "t_shirt_top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle_boot",
)

# Five classes to pre-train on; the other five are the target task. Each half has two
# garments for the upper body, one long one and something for the feet; bags are in the
# source only.
HALF_CLASS_NAMES = ("t_shirt_top", "trouser", "coat", "sandal", "bag")

_UNSIGNED_BYTE = 0x08


def load(folder: str) -> source_task.SourceTask:
    """Reads the data set from the folder that holds its four files.

    Raises:
        errors.RunError: A file is missing or is not what its name says.
    """
    train_images, train_labels = _load_split(folder, "train")
    test_images, test_labels = _load_split(folder, "t10k")
    return source_task.SourceTask(
        name="Fashion-MNIST",
        origin=(
            "Xiao, Rasul and Vollgraf, 2017, arXiv 1708.07747; copyright 2017 Zalando "
            "SE, MIT licence (Debian writes it as Expat); read from Debian's package "
            f"`{DEBIAN_PACKAGE}`."
        ),
        limits=(
            "Shop photographs of ten kinds of clothing: grey, small, centred, one "
            "object, light on black. The features suit small grey images of single "
            "objects; nothing is known of colour, of scenery or of larger images. Made "
            "for the quickstart and for tests, not for a product."
        ),
        class_names=CLASS_NAMES,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def load_half(folder: str) -> source_task.SourceTask:
    """Reads the images of `HALF_CLASS_NAMES` alone; labels are positions in it.

    Raises:
        errors.RunError: A file is missing or is not what its name says.
    """
    source = load(folder)
    train_images, train_labels = _keep_half(source.train_images, source.train_labels)
    test_images, test_labels = _keep_half(source.test_images, source.test_labels)
    return dataclasses.replace(
        source,
        name="Fashion-MNIST half",
        limits=source.limits.replace("ten kinds", "five kinds").replace(
            "the quickstart", "transfer to the other five classes"
        ),
        class_names=HALF_CLASS_NAMES,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def read_idx(path: str) -> np.ndarray:
    """Reads a gzipped idx file of unsigned bytes.

    The format: two zero bytes, the type, the number of dimensions, each dimension as a
    big-endian int32, then the values, the last dimension fastest (LeCun, MNIST).

    Raises:
        errors.RunError: The file is missing, damaged or of another type.
    """
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise errors.RunError(
            f"{path} does not exist. Install the data with `apt-get install "
            f"{DEBIAN_PACKAGE}`, or give its folder as --fashion_mnist_dir."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise errors.RunError(
            f"Cannot read {path}: {error}. Install {DEBIAN_PACKAGE} again."
        ) from error
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or len(content) < start:
        raise errors.RunError(
            f"{path} begins with the bytes {content[:16].hex(' ')}; an idx file begins "
            "with 00 00 08, the number of dimensions and the dimensions in 4 bytes "
            f"each. Install {DEBIAN_PACKAGE} again."
        )
    shape = np.frombuffer(content[4:start], ">i4").tolist()
    values = content[start:]
    if len(values) != math.prod(shape):
        raise errors.RunError(
            f"{path} has {len(values)} values; its header promises "
            f"{math.prod(shape)}. Install {DEBIAN_PACKAGE} again."
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _load_split(folder, prefix):
    images_path = os.path.join(folder, f"{prefix}-images-idx3-ubyte.gz")
    images = read_idx(images_path)
    labels = read_idx(os.path.join(folder, f"{prefix}-labels-idx1-ubyte.gz"))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise errors.RunError(
            f"{images_path} has shape {list(images.shape)} and its labels "
            f"{list(labels.shape)}; [N, height, width] and [N] belong together."
        )
    if labels.size and labels.max() >= len(CLASS_NAMES):
        raise errors.RunError(
            f"The labels beside {images_path} go up to {labels.max()}; Fashion-MNIST "
            f"has 0 to {len(CLASS_NAMES) - 1}. Point --fashion_mnist_dir at it."
        )
    return images[..., np.newaxis], labels.astype(np.int32)


def _keep_half(images, labels):
    numbers = [CLASS_NAMES.index(name) for name in HALF_CLASS_NAMES]
    kept = np.isin(labels, numbers)
    new_labels = np.array([numbers.index(label) for label in labels[kept]], np.int32)
    return images[kept], new_labels
