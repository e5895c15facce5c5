"""Batch norm statistics of the final weights, from training images."""

import contextlib
import dataclasses
import functools
import math

import keras
import tensorflow as tf

from adafilter_tf import distribution
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data import pipeline
from adafilter_tf.models import batch_norm_statistics

MIN_IMAGES = 256
MAX_IMAGES = 2048
# More passes over the same images say little more.
MAX_PASSES = 2
# Batches, as a share of the steps: a forward pass is a third of a step, or less.
_SHARE_OF_STEPS = 0.05
# Between the accuracies of the two modes.
_LARGE_GAP = 0.1


class StatisticsRenewal:
    """Renews the batch norm statistics of a model from its training images.

    The images are those of the first training batches, cropped as for evaluation and
    not augmented, so that the statistics are those of inference.

    Args:
        model: Built in its strategy's scope.
        data: Whose training images are read.
        batch_size: Images per batch over all replicas.
        total_steps: Steps of the training; a longer one has statistics of more images.
    """

    def __init__(
        self,
        model: keras.Model,
        data: pipeline.TrainingInput,
        *,
        batch_size: int,
        total_steps: int,
    ):
        self._model = model
        self._batch_size = batch_size
        self._total_steps = total_steps
        self._renewal: batch_norm_statistics.StatisticsRenewal | None = None
        self._trained: list[int] = []
        self.read_from(data)

    def read_from(self, data: pipeline.TrainingInput) -> None:
        """Takes other training images from now on."""
        self._steps = count_batches(
            self._batch_size, self._total_steps, len(data.splits.train)
        )
        self._make_dataset = functools.partial(
            pipeline.training_dataset,
            dataclasses.replace(
                data, augmentation=augmentation_lib.Augmentation(), cache="none"
            ),
            global_batch_size=self._batch_size,
            total_steps=self._steps,
        )

    def renew(self) -> int:
        """Gives the batch norms that train the statistics of the present weights.

        Returns:
            The number of batch norms whose statistics were renewed.
        """
        renewal = self._get()
        if renewal is None:
            return 0
        return renewal.renew(self._read(), steps=self._steps)

    def renewed(self) -> contextlib.AbstractContextManager:
        """Returns a context with renewed statistics; its end restores the old ones."""
        renewal = self._get()
        if renewal is None:
            return contextlib.nullcontext()
        return renewal.renewed(self._read(), steps=self._steps)

    def _get(self) -> batch_norm_statistics.StatisticsRenewal | None:
        trained = [id(x) for x in batch_norm_statistics.list_training(self._model)]
        if trained != self._trained:  # as in the next stage of a method
            self._trained = trained
            self._renewal = batch_norm_statistics.StatisticsRenewal(self._model)
        return self._renewal

    def _read(self) -> tf.data.Dataset:
        return distribution.distribute(
            self._model.distribute_strategy, self._batch_size, self._make_dataset
        )


def count_batches(batch_size: int, total_steps: int, num_images: int) -> int:
    """Returns how many batches the statistics are taken from.

    Args:
        batch_size: Images per batch over all replicas.
        total_steps: Steps of the training.
        num_images: Training images.
    """
    images = _SHARE_OF_STEPS * total_steps * batch_size
    images = min(max(images, MIN_IMAGES), MAX_IMAGES, MAX_PASSES * num_images)
    return math.ceil(images / batch_size)


def describe_gap(
    training_mode: float | None, inference_mode: float, *, renewed: bool
) -> str | None:
    """Describes a network that computes something else at inference than in training.

    Args:
        training_mode: Accuracy on training batches, 0..1; None when not known.
        inference_mode: Accuracy on training images, 0..1.
        renewed: Whether the batch norm statistics are those of the final weights.

    Returns:
        One line, None when inference is less than 10 points behind.
    """
    if training_mode is None or inference_mode > training_mode - _LARGE_GAP:
        return None
    remedy = (
        "What differs between the modes, such as dropout or batches of few images, "
        "does not fit the weights: use a larger --batch_size or more steps."
        if renewed
        else "The batch norm statistics do not fit the weights: use "
        "--renew_batch_norm_statistics."
    )
    return (
        f"Accuracy on training images: {100 * training_mode:.1f} % in training mode, "
        f"{100 * inference_mode:.1f} % in inference mode, which is what is served. "
        f"{remedy}"
    )
