"""A profile of some training steps, for TensorBoard's profiler."""

import os

import keras
import tensorflow as tf
from absl import logging


class Profiler(keras.callbacks.Callback):
    """Profiles some steps of this process.

    Args:
        log_dir: TensorBoard's folder; the trace goes to `plugins/profile` there.
        first: First step, counted from 1 at the start of this process; above 1, so
            that the trace of the training step is not included.
        last: Last step, at least `first`.
    """

    def __init__(self, log_dir: str | os.PathLike, first: int, last: int):
        super().__init__()
        self._log_dir = str(log_dir)
        self._first = first
        self._last = last
        self._taken = 0
        self._is_recording = False

    def on_train_batch_begin(self, batch, logs=None):
        """Starts before the first step."""
        if self._taken + 1 == self._first:
            tf.profiler.experimental.start(self._log_dir)
            self._is_recording = True

    def on_train_batch_end(self, batch, logs=None):
        """Stops after the last step; Keras has waited for its loss."""
        self._taken += 1
        if self._taken == self._last:
            self._stop()

    def on_train_end(self, logs=None):
        """Stops early where the training ends before the last step."""
        self._stop()

    def _stop(self) -> None:
        if self._is_recording:
            tf.profiler.experimental.stop()
            self._is_recording = False
            logging.info(
                "Steps %d to %d are profiled in %s.",
                self._first,
                self._taken,
                os.path.join(self._log_dir, "plugins", "profile"),
            )
