"""JPEG files of the size of photographs, cut from the two that scikit-learn brings."""

import pathlib

import numpy as np
import tensorflow as tf
from sklearn import datasets

from adafilter_tf.data.examples import Examples

HEIGHT, WIDTH = 375, 500
"""The usual size of ImageNet's photographs."""
_NUM_CLASSES = 4
_QUALITY = 90
_MIN_SHARE = 0.6


def write(folder: pathlib.Path, count: int) -> Examples:
    """Writes `count` different JPEG files as `folder/class/number.jpg`.

    Each is a random part of a photograph of 640 x 427 pixels, at least 60 % of its
    sides, scaled to 500 x 375.
    """
    photographs = datasets.load_sample_images().images
    rng = np.random.default_rng(0)
    paths, labels = [], []
    for index in range(count):
        label = index % _NUM_CLASSES
        path = folder / f"class_{label}" / f"{index:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = _cut(photographs[index % len(photographs)], rng)
        path.write_bytes(tf.io.encode_jpeg(pixels, quality=_QUALITY).numpy())
        paths.append(str(path))
        labels.append(label)
    names = tuple(f"class_{label}" for label in range(_NUM_CLASSES))
    return Examples(tuple(paths), tuple(labels), names)


def _cut(photograph: np.ndarray, rng: np.random.Generator) -> tf.Tensor:
    height, width = photograph.shape[:2]
    share = rng.uniform(_MIN_SHARE, 1.0)
    rows, columns = round(height * share), round(width * share)
    top = rng.integers(0, height - rows + 1)
    left = rng.integers(0, width - columns + 1)
    part = photograph[top : top + rows, left : left + columns]
    pixels = tf.image.resize(part, [HEIGHT, WIDTH], "bicubic")
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)
