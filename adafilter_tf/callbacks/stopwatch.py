"""Seconds spent in training steps, over all the processes of a run."""

import time

import keras


class Stopwatch(keras.callbacks.Callback):
    """Adds up the time of the training epochs, without validation and writing.

    Put it before the callbacks that work at the end of an epoch.

    Attributes:
        seconds: The sum, tracing of the first step included.
    """

    def __init__(self, seconds: float = 0.0):
        super().__init__()
        self.seconds = seconds
        self._started = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's seconds."""
        self.seconds += time.monotonic() - self._started
