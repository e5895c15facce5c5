"""From untrusted bytes to pixels, inside the served graph.

A server decodes what anybody sends, next to other clients' images: no file may cost
much more than an ordinary one, and a broken one affects only its own row.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

# From the bytes of one image (scalar string) to its pixels, or an error.
Decode = Callable[[tf.Tensor], tf.Tensor]


_BASE64 = (
    'The image is base64 text. In JSON, send bytes as {"b64": "..."}: '
    '{"instances": [{"image_bytes": {"b64": "..."}}]}.'
)
_UNREADABLE = (
    "The image cannot be decoded: it is damaged, of another format than JPEG, PNG, "
    "GIF, WebP (not animated) and BMP (24 bits), or has more pixels than a file of its "
    "size may have."
)


def explain_invalid(encoded: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Returns why images were not decoded, string [n]; empty for valid ones.

    Args:
        encoded: String [n].
        valid: bool [n].
    """
    reasons = tf.where(_is_base64(encoded), _BASE64, _UNREADABLE)
    return tf.where(valid, "", reasons)


def _is_base64(encoded: tf.Tensor) -> tf.Tensor:
    """Whether bytes are the start of a JPEG, PNG, GIF or WebP file in base64."""
    start = tf.strings.substr(encoded, 0, 6)
    pattern = "/9j/.*|iVBORw|R0lGOD|UklGR.|data:i"
    return tf.strings.regex_full_match(start, pattern)


def decode_all(encoded: tf.Tensor, decode: Decode, shape: Sequence[int]) -> tf.Tensor:
    """Decodes every image of a batch; one broken image is an error.

    Args:
        encoded: String [n].
        decode: Gives float32 pixels of `shape`.
        shape: [S, S, C].

    Returns:
        float32 [n, S, S, C].
    """
    check = tf.debugging.Assert(~tf.reduce_any(_is_base64(encoded)), [_BASE64])
    # There is no operation to wait for outside a graph.
    with tf.control_dependencies([check] if check is not None else []):
        return tf.map_fn(
            decode,
            tf.identity(encoded),
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )


def decode_valid(
    encoded: tf.Tensor, decode: Decode, shape: Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the images of a batch that can be decoded.

    Only a data set inside the graph can drop elements that fail; an error under
    `tf.map_fn` fails the whole request, and with a server's batching the requests of
    other clients too.

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
