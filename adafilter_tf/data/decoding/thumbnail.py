"""Small pictures of image files, for people: decoded as training decodes them."""

import os

import numpy as np
import tensorflow as tf

from adafilter_tf.data.decoding import preprocessing

_MISSING = 192  # grey


def read_thumbnail(path: str, side: int) -> np.ndarray:
    """Returns an image file as uint8 [h, w, 3], the longer side at most `side` pixels.

    A file that cannot be read gives a grey square: a picture for people must not end
    the work that it illustrates.

    Args:
        path: An image file.
        side: In pixels.
    """
    try:
        encoded = tf.io.read_file(os.fsencode(path))
        image = preprocessing.decode_image(encoded, 3)
    except (ValueError, tf.errors.OpError):
        return np.full([side, side, 3], _MISSING, np.uint8)
    longer = max(image.shape[:2])
    if longer > side:
        size = [max(1, round(length * side / longer)) for length in image.shape[:2]]
        image = tf.image.resize(image, size, "bilinear", antialias=True)
    return np.rint(image).clip(0, 255).astype(np.uint8)
