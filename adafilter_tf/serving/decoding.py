"""From strangers' bytes to pixels, inside the served graph.

A server decodes what anybody sends, next to other people's images: no file may cost
much more than an honest one, and a broken one may cost only its own row.
"""

from collections.abc import Callable

import tensorflow as tf

# 64 megapixels are more than the largest common cameras give.
MAX_PIXELS = 2**26
# Files that promise more pixels than these, which a 4K screenshot does not, must be
# large enough for them: a photograph usually has less than a dozen pixels per byte, a
# decompression bomb hundreds.
MAX_UNQUESTIONED_PIXELS = 2**23
MAX_PIXELS_PER_BYTE = 16

_PNG_SIZE_OFFSET = 16

# From the bytes of one image (scalar string) to its pixels, or an error.
Decode = Callable[[tf.Tensor], tf.Tensor]


def limit_pixels(num_bytes: tf.Tensor) -> tf.Tensor:
    """Returns how many pixels a file of this size may have, int64 scalar."""
    by_size = MAX_PIXELS_PER_BYTE * tf.cast(num_bytes, tf.int64)
    return tf.minimum(tf.maximum(by_size, MAX_UNQUESTIONED_PIXELS), MAX_PIXELS)


def bound_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """The same bytes, or an error if their header promises too many pixels.

    The header alone is read.

    Args:
        encoded: Scalar string.

    Raises:
        tf.errors.InvalidArgumentError: More pixels than `limit_pixels` of the file's
            size, or a damaged JPEG header.
    """
    num_pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _area(tf.io.extract_jpeg_shape(encoded)[:2]),
        lambda: _png_pixels(encoded),
    )
    limit = limit_pixels(tf.strings.length(encoded))
    allowed = num_pixels <= limit
    message = "The image has more pixels than a file of its size may have; resize it. "
    check = tf.debugging.Assert(allowed, [message, num_pixels, limit])
    with tf.control_dependencies([check] if check is not None else []):
        # Graph optimisers of servers may drop assertions; no decoder takes "".
        return tf.where(allowed, encoded, "")


def decode_all(encoded: tf.Tensor, decode: Decode, shape: list[int]) -> tf.Tensor:
    """Decodes every image of a batch; one broken image is an error.

    Args:
        encoded: String [n].
        decode: Gives float32 pixels of `shape`.
        shape: [S, S, C].

    Returns:
        float32 [n, S, S, C].
    """
    return tf.map_fn(
        decode, encoded, fn_output_signature=tf.TensorSpec(shape, tf.float32)
    )


def decode_valid(
    encoded: tf.Tensor, decode: Decode, shape: list[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the images of a batch that can be decoded.

    A data set inside the graph is the one construct of TensorFlow that drops what
    fails; an error under `tf.map_fn` fails the whole request, and with a server's
    batching other people's requests too.

    Args:
        encoded: String [n].
        decode: Gives float32 pixels of `shape`.
        shape: [S, S, C].

    Returns:
        float32 [n, S, S, C], zeros for a broken image, and bool [n], False for those.
    """
    count = tf.size(encoded, out_type=tf.int64)

    def decode_indexed(index, image):
        return index, decode(image)

    # A last element that never fails, as the batch must have one.
    sentinel = tf.data.Dataset.from_tensors((count, tf.zeros(shape)))
    decoded = (
        tf.data.Dataset.from_tensor_slices((tf.range(count), encoded))
        .map(decode_indexed, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
        .ignore_errors()
        .concatenate(sentinel)
        .batch(count + 1)
    )
    options = tf.data.Options()
    # They cost more than they gain in a data set that lives for one request.
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    indices, pixels = decoded.with_options(options).get_single_element()
    places = indices[:, tf.newaxis]
    size = count + 1
    images = tf.scatter_nd(
        places, pixels, tf.concat([[size], tf.constant(shape, tf.int64)], 0)
    )
    valid = tf.scatter_nd(places, tf.ones_like(indices), [size]) > 0
    return tf.ensure_shape(images[:-1], [None, *shape]), valid[:-1]


def _area(size: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.cast(size, tf.int64))


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    padded = tf.strings.join([encoded, tf.constant(b"\0" * (_PNG_SIZE_OFFSET + 8))])
    size = tf.strings.substr(padded, _PNG_SIZE_OFFSET, 8)
    size = tf.io.decode_raw(size, tf.int32, little_endian=False)
    # Sides of 2 ** 31 and more, which no PNG has, are negative here; the product of two
    # smaller ones stays below 2 ** 62.
    return _area(tf.where(size < 0, tf.int32.max, size))
