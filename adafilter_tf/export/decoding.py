"""From strangers' bytes to pixels, inside the served graph.

A server decodes what anybody sends, next to other people's images: no file may cost
much more than an honest one, and a broken one may cost only its own row.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

# From the bytes of one image (scalar string) to its pixels, or an error.
Decode = Callable[[tf.Tensor], tf.Tensor]


def decode_all(encoded: tf.Tensor, decode: Decode, shape: Sequence[int]) -> tf.Tensor:
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
    encoded: tf.Tensor, decode: Decode, shape: Sequence[int]
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
