"""Small pictures of image files, for people: one decoder, and no file can break it."""

import numpy as np
import tensorflow as tf

from adafilter_tf.data.decoding import conversion, preprocessing

_MISSING = 192  # grey


def read_thumbnail(path: str, side: int) -> np.ndarray:
    """The pixels that a run decodes, upright and uncropped, made smaller.

    Args:
        path: Of an image file; a grey square stands for one that cannot be read.
        side: Of the longer side, in pixels, at most.

    Returns:
        uint8 [h, w, 3].
    """
    image, reason = conversion.read_image(
        path, lambda encoded: preprocessing.decode_image(encoded, 3), channels=3
    )
    if reason is not None or 0 in image.shape:
        return np.full([side, side, 3], _MISSING, np.uint8)
    longer = max(image.shape[:2])
    if longer <= side:
        return image.numpy()
    size = [max(1, round(length * side / longer)) for length in image.shape[:2]]
    small = tf.image.resize(image, size, "bilinear", antialias=True)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)
