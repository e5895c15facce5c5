"""The order of the training examples, as a function of their number in the stream."""

from collections.abc import Callable, Sequence

import tensorflow as tf


def shuffled_position(i: tf.Tensor, n: int, seed: int) -> tf.Tensor:
    """Which of the n examples is number i of the stream (scalar int64)."""
    key = tf.stack([tf.constant(seed, tf.int64), i // n])
    return tf.random.experimental.index_shuffle(
        i % n, key, tf.constant(n - 1, tf.int64)
    )


def numbering(places: Sequence[int], global_batch_size: int) -> Callable:
    """From the number of an example among those made to its number in the stream."""
    places = tf.constant(list(places), tf.int64)
    count = tf.size(places, tf.int64)

    def number(made: tf.Tensor) -> tf.Tensor:
        return made // count * global_batch_size + tf.gather(places, made % count)

    return number
