"""Writes a checkpoint at the end of every epoch."""

import dataclasses
import os

import keras

from adafilter_tf import checkpointing, optimization
from adafilter_tf.callbacks import stopwatch


class Checkpoint(keras.callbacks.Callback):
    """Saves model, optimizer and the run's progress.

    Args:
        folder: Where the checkpoints go.
        info: Method and number of classes; step and seconds are filled in.
        clock: Tells the seconds of training so far.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        info: checkpointing.CheckpointInfo,
        clock: stopwatch.Stopwatch,
    ):
        super().__init__()
        self._folder = folder
        self._info = info
        self._clock = clock

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of the step that was just taken."""
        info = dataclasses.replace(
            self._info,
            step=optimization.count_steps(self.model.optimizer),
            train_seconds=self._clock.seconds,
        )
        checkpointing.save_checkpoint(self._folder, self.model, info)
