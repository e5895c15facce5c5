"""Small pictures inside a page."""

import base64
import os

import tensorflow as tf

from adafilter_tf.data.decoding import preprocessing

_SIDE = 96
# So small ones stay sharp and are still only a few kilobytes.
_LOSSLESS_SIDE = 48


def create_thumbnail(path: str) -> str:
    """Returns a data URI of an image file, its longer side at most 96 pixels."""
    image = preprocessing.decode_image(tf.io.read_file(os.fsencode(path)), 3)
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer > _SIDE:
        size = [max(1, round(side * _SIDE / longer)) for side in (height, width)]
        image = tf.image.resize(image, size, "bilinear", antialias=True)
        image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
    if longer <= _LOSSLESS_SIDE:
        kind, encoded = "png", tf.io.encode_png(image)
    else:
        kind, encoded = "jpeg", tf.io.encode_jpeg(image, quality=85)
    text = base64.b64encode(encoded.numpy()).decode("ascii")
    return f"data:image/{kind};base64,{text}"
