"""Lets an epoch that was cut off count on where it was."""

import os
import pathlib

import keras

from adafilter_tf import checkpointing


class EpochMetrics(keras.callbacks.Callback):
    """Gives the metrics what they had counted up to a checkpoint within an epoch.

    Keras sets them to zero at the start of `fit`. Put it first.

    Args:
        path: Of the checkpoint.
    """

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self._path = pathlib.Path(path)

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the metrics."""
        checkpointing.load_metrics(self._path, self.model)
