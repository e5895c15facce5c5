"""Continues the metrics of an epoch that was interrupted."""

import os
import pathlib

import keras

from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.training import checkpointing


class EpochMetrics(keras.callbacks.Callback):
    """Restores what the metrics had counted at a checkpoint within an epoch.

    Keras sets them to zero at the start of `fit`. Put it first: what they come to is in
    the logs of the callbacks after it.

    Args:
        path: The checkpoint's folder.
        workers: The run's workers.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        workers: workers_lib.Workers = workers_lib.ALONE,
    ):
        super().__init__()
        self._path = pathlib.Path(path)
        self._workers = workers

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the metrics and tells them."""
        checkpointing.load_metrics(self._path, self.model, self._workers)
        # Of several workers all must read them, each has a part.
        metrics = self.model.get_metrics_result()
        if logs is not None:
            logs.update({name: float(value) for name, value in metrics.items()})
