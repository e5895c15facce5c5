"""Small pictures inside a page."""

import base64

import tensorflow as tf

from adafilter_tf.data.decoding import thumbnail

_SIDE = 96
# So small ones stay sharp and are still only a few kilobytes.
_LOSSLESS_SIDE = 48


def create_thumbnail(path: str, side: int = _SIDE) -> str:
    """Returns a data URI of an image file, its longer side at most `side` pixels."""
    image = thumbnail.read_thumbnail(path, side)
    if max(image.shape[:2]) <= _LOSSLESS_SIDE:
        kind, encoded = "png", tf.io.encode_png(image)
    else:
        kind, encoded = "jpeg", tf.io.encode_jpeg(image, quality=85)
    text = base64.b64encode(encoded.numpy()).decode("ascii")
    return f"data:image/{kind};base64,{text}"
