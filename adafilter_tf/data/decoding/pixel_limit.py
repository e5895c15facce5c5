"""How many pixels an image file may have: a limit against decompression bombs.

A file of a few kilobytes can promise gigabytes of pixels. Its header is read and
compared with a limit before anything is decoded. A server's limit depends on the size
of the file; one's own files may have up to `MOST_PIXELS`, whatever their size.
"""

import tensorflow as tf

# 64 megapixels are more than the largest common cameras give.
MAX_PIXELS = 2**26
# Files that promise more pixels than these, which a 4K screenshot does not, must be
# large enough for them: a photograph usually has less than a dozen pixels per byte, a
# decompression bomb hundreds.
MAX_UNQUESTIONED_PIXELS = 2**23
MAX_PIXELS_PER_BYTE = 16
# TensorFlow 2.21 decodes no JPEG of 2**29 bytes, in RGB.
MOST_PIXELS = (2**29 - 1) // 3

_TOO_MANY = "The image has more pixels than a file of its size may have; resize it. "
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_SIZE_OFFSET = 16


def limit_pixels(num_bytes: tf.Tensor) -> tf.Tensor:
    """Returns how many pixels a file of this size may have, int64 scalar."""
    by_size = MAX_PIXELS_PER_BYTE * tf.cast(num_bytes, tf.int64)
    return tf.minimum(tf.maximum(by_size, MAX_UNQUESTIONED_PIXELS), MAX_PIXELS)


def is_jpeg_or_png(encoded: tf.Tensor) -> tf.Tensor:
    """Whether the first bytes are those of a JPEG or PNG file, bool scalar."""
    signature = tf.strings.substr(encoded, 0, len(_PNG_SIGNATURE))
    return tf.io.is_jpeg(encoded) | (signature == _PNG_SIGNATURE)


def bound_pixels(encoded: tf.Tensor, max_pixels: int | None = MOST_PIXELS) -> tf.Tensor:
    """The same bytes, or an error if their header promises too many pixels.

    The header alone is read.

    Args:
        encoded: Scalar string.
        max_pixels: The limit; None for a server's, `limit_pixels` of the file's size.

    Raises:
        tf.errors.InvalidArgumentError: More pixels than the limit, a damaged JPEG
            header, or neither JPEG nor PNG (TensorFlow's operations also read GIF and
            others, which no other part expects).
    """
    known = is_jpeg_or_png(encoded)
    num_pixels = _count_pixels(encoded)
    limit = tf.constant(max_pixels, tf.int64) if max_pixels else (
        limit_pixels(tf.strings.length(encoded)))  # fmt: skip
    allowed = known & (num_pixels <= limit)
    checks = [
        tf.debugging.Assert(known, ["The image is neither a JPEG nor a PNG file."]),
        tf.debugging.Assert(allowed | ~known, [_TOO_MANY, num_pixels, limit]),
    ]
    # There is no operation to wait for outside a graph.
    with tf.control_dependencies([check for check in checks if check is not None]):
        # Graph optimisers of servers may drop assertions; no decoder takes "".
        return tf.where(allowed, encoded, "")


def describe_excess(encoded: bytes, max_pixels: int = MOST_PIXELS) -> str | None:
    """How far an own JPEG or PNG file is beyond a limit; None if it is not.

    A header that cannot be read promises nothing.
    """
    try:
        num_pixels = int(_count_pixels(tf.constant(encoded)))
    except tf.errors.InvalidArgumentError:
        return None
    return explain_excess(num_pixels, max_pixels) if num_pixels > max_pixels else None


def explain_excess(num_pixels: int, max_pixels: int) -> str:
    """Why an image of too many pixels is refused, part of a sentence."""
    remedy = "resize it"
    if num_pixels <= MOST_PIXELS:
        remedy += f", or set --max_image_pixels={num_pixels}"
    return (
        f"{num_pixels} pixels, more than the {max_pixels} that an image may have (a "
        f"decompression bomb?); {remedy}"
    )


def _count_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """How many pixels the header of a file promises, int64 scalar."""
    return tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _area(tf.io.extract_jpeg_shape(encoded)[:2]),
        lambda: _png_pixels(encoded),
    )


def _area(size: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.cast(size, tf.int64))


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    end = _PNG_SIZE_OFFSET + 8
    padded = tf.strings.join([tf.strings.substr(encoded, 0, end), b"\0" * end])
    size = tf.strings.substr(padded, _PNG_SIZE_OFFSET, 8)
    size = tf.io.decode_raw(size, tf.int32, little_endian=False)
    # Sides of 2 ** 31 and more, which no PNG has, are negative here; the product of two
    # smaller ones stays below 2 ** 62.
    return _area(tf.where(size < 0, tf.int32.max, size))
