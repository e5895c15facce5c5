"""A run's row in TensorBoard's HParams table, by which runs compare."""

from collections.abc import Mapping

import keras
from tensorboard.plugins.hparams import api, api_pb2, summary

from adafilter_tf.training.tensorboard import event_writer

# The table shows the first five tags in alphabetical order at once, so no more.
_FINAL = (
    "test_accuracy",
    "test_loss",
    "train_seconds",
    "validation_accuracy",
    "validation_loss",
)


class HyperParameters(keras.callbacks.Callback):
    """Writes the run's settings at the start of training.

    Put it after the callback that opens the writer. The table's columns are not
    declared: TensorBoard then shows first the settings in which the runs differ.

    Args:
        writer: Of the run's folder.
        values: The run's settings by name: numbers, strings, booleans.
    """

    def __init__(self, writer: event_writer.EventWriter, values: Mapping[str, object]):
        super().__init__()
        self._writer = writer
        self._values = {name: _simplify(value) for name, value in values.items()}

    def on_train_begin(self, logs=None):
        """Writes the settings."""
        self._writer.write([api.hparams_pb(self._values)], 0)


def write_result(
    writer: event_writer.EventWriter, metrics: Mapping[str, float], step: int
) -> None:
    """Writes the final metrics as `final/<metric>`, and that the run succeeded.

    Args:
        writer: Open.
        metrics: The run's metrics, see `training_run.train`.
        step: Number of updates.
    """
    found = {f"final/{name}": metrics[name] for name in _FINAL if name in metrics}
    writer.write_scalars(found, step)
    ended = summary.session_end_pb(api_pb2.STATUS_SUCCESS)
    writer.write([ended], step)


def _simplify(value):
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value
