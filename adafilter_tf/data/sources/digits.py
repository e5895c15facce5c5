"""The bundled digits: 1,797 real handwritten ones, 8x8 grey pixels.

They come with scikit-learn (`sklearn.datasets.load_digits`; E. Alpaydin, C. Kaynak
1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository).
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import extraction

_VERSION = "1.0.0"
_WHITE = 16  # scikit-learn's pixels are integers 0..16


def load_digits(data_dir: str | None) -> dict[str, Examples]:
    """All digits as PNG files, in scikit-learn's order, under the key "all".

    Args:
        data_dir: Where data sets are kept; None is TFDS's default.

    Raises:
        errors.RunError: The files cannot be written.
    """
    return extraction.extract_once(
        f"digits/{_VERSION}",
        data_dir=data_dir,
        class_names=[str(digit) for digit in range(10)],
        read_splits=lambda: [("all", _encoded_digits())],
    )


def _encoded_digits() -> Iterator[tuple[bytes, int]]:
    from sklearn import datasets  # slow to import, and needed only once

    digits = datasets.load_digits()
    pixels = np.round(digits.images * (255 / _WHITE)).astype(np.uint8)
    for image, label in zip(pixels, digits.target, strict=True):
        yield tf.io.encode_png(image[:, :, np.newaxis]).numpy(), int(label)
