"""Fashion-MNIST as Debian ships it: four gzipped idx files."""

import dataclasses
import gzip
import math
import os
import zlib

import numpy as np

from adafilter_tf import errors

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

_UNSIGNED_BYTE = 0x08


@dataclasses.dataclass(frozen=True)
class SourceTask:
    """Labelled images to pre-train on.

    Attributes:
        name: Of the data set, for people.
        origin: For the model card: who made the data, and under which licence.
        limits: For the model card: what the data teaches and what it does not.
        class_names: One per label, in the order of the labels.
        train_images, test_images: uint8 `[N, S, S, 1]`.
        train_labels, test_labels: int32 `[N]`.
    """

    name: str
    origin: str
    limits: str
    class_names: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load(folder: str) -> SourceTask:
    """Reads the data set from the folder that holds its four files.

    Raises:
        errors.RunError: A file is missing or is not what its name says.
    """
    train_images, train_labels = _load_half(folder, "train")
    test_images, test_labels = _load_half(folder, "t10k")
    return SourceTask(
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
            f"There is no {path}. Install the data with `apt-get install "
            f"{DEBIAN_PACKAGE}`, or give its folder as --fashion_mnist_dir."
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise errors.RunError(
            f"Cannot read {path}: {error}. Install {DEBIAN_PACKAGE} anew."
        ) from error
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or len(content) < start:
        raise errors.RunError(
            f"{path} begins with the bytes {content[:16].hex(' ')}; an idx file begins "
            "with 00 00 08, the number of dimensions and the dimensions in 4 bytes "
            f"each. Install {DEBIAN_PACKAGE} anew."
        )
    shape = np.frombuffer(content[4:start], ">i4").tolist()
    values = content[start:]
    if len(values) != math.prod(shape):
        raise errors.RunError(
            f"{path} has {len(values)} values; its header promises "
            f"{math.prod(shape)}. Install {DEBIAN_PACKAGE} anew."
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _load_half(folder, prefix):
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
