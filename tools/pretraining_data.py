"""The source task's images as batches: seeded order, random shift and mirroring."""

import numpy as np
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.models.backbones import resnet14


def hold_out_validation(images, labels, num_examples: int):
    """Splits off the last `num_examples`.

    Returns:
        `(training images, training labels), (validation images, validation labels)`.

    Raises:
        errors.UsageError: Nothing would be left to train on.
    """
    if num_examples >= len(labels):
        raise errors.UsageError(
            f"--validation_examples={num_examples} leaves no training example; there "
            f"are {len(labels)}, so give at most {len(labels) - 1}."
        )
    return (
        (images[:-num_examples], labels[:-num_examples]),
        (images[-num_examples:], labels[-num_examples:]),
    )


def pad_to(images: np.ndarray, size: int, background: int = 0) -> np.ndarray:
    """Centres images `[N, S, S, C]` on others, `[N, size, size, C]`, of one value."""
    missing = size - images.shape[1]
    border = (missing // 2, missing - missing // 2)
    return np.pad(images, ((0, 0), border, border, (0, 0)), constant_values=background)


def normalize(images) -> tf.Tensor:
    """Pixels 0..255 of any type -> float32 as the backbone takes them."""
    return (tf.cast(images, tf.float32) - resnet14.PIXEL_MEAN) / resnet14.PIXEL_STD


def augment(images: tf.Tensor, size: int, *, seed: tf.Tensor) -> tf.Tensor:
    """Crops each image at a random place and mirrors it with probability 1/2.

    Args:
        images: `[B, P, P, C]` with `P >= size`.
        size: S, height and width of the crops.
        seed: int64 `[2]`; equal seeds give equal results.

    Returns:
        `[B, S, S, C]`.
    """
    draws = tf.random.stateless_uniform([3, tf.shape(images)[0], 1], seed)
    offsets = tf.cast(draws[:2] * (images.shape[1] - size + 1), tf.int32)
    rows, columns = tf.unstack(offsets + tf.range(size))  # each [B, S]
    columns = tf.where(draws[2] < 0.5, columns[:, ::-1], columns)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def training_dataset(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    image_size: int,
    max_shift: int,
    batch_size: int,
    epochs: int,
    seed: int,
    background: int = 0,
) -> tf.data.Dataset:
    """Yields the batches of all epochs; an epoch holds each example once, reshuffled.

    Args:
        images: uint8 `[N, S, S, C]`, S at most `image_size`.
        labels: int32 `[N]`.
        image_size: Height and width of the batches' images; S is padded to it.
        max_shift: Pixels by which an image moves at most, in each direction.
        batch_size: B.
        epochs: How often each example comes.
        seed: Of the order and the augmentation.
        background: The pixel value, 0..255, around smaller and moved images.

    Returns:
        `N * epochs // B` batches: normalised images float32
        `[B, image_size, image_size, C]` and labels `[B]`.
    """
    num_examples = len(labels)
    images = tf.constant(pad_to(images, image_size + 2 * max_shift, background))
    labels = tf.constant(labels)

    def shuffled_index(position):
        return tf.random.experimental.index_shuffle(
            position % num_examples,
            seed=tf.stack([seed, position // num_examples]),
            max_index=num_examples - 1,
        )

    def load_batch(step, indices):
        batch = tf.gather(images, indices)
        batch = augment(batch, image_size, seed=tf.stack([seed, step]))
        return normalize(batch), tf.gather(labels, indices)

    return (
        tf.data.Dataset.range(num_examples * epochs)
        .map(shuffled_index)
        .batch(batch_size, drop_remainder=True)
        .enumerate()
        .map(load_batch)
        .prefetch(2)
    )
