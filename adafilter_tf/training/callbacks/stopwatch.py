"""Seconds spent in training steps, over all the processes of a run."""

import time

import keras


class Stopwatch(keras.callbacks.Callback):
    """Adds up the time of the training epochs, without the work at their ends.

    Put it before the callbacks that work at the end of an epoch.

    Args:
        seconds: Those of the processes before this one.
    """

    def __init__(self, seconds: float = 0.0):
        super().__init__()
        self._ended = seconds
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """The sum so far, tracing of the first step included."""
        if self._started is None:
            return self._ended
        return self._ended + time.monotonic() - self._started

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's seconds."""
        self._ended, self._started = self.seconds, None
