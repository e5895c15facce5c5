"""What each epoch came to, as a CSV file that a spreadsheet opens."""

import csv
import os
import pathlib
from collections.abc import Callable

import keras
from absl import logging

from adafilter_tf.evaluation.gate_statistics import GateStatistics
from adafilter_tf.files import atomic
from adafilter_tf.optim import optimizers
from adafilter_tf.training.tensorboard import tensorboard_logger


class ResultsTable(keras.callbacks.Callback):
    """Adds a row to a CSV file at the end of each epoch; put it after the validation.

    The columns: `epoch` and `step`, from 1; `train_loss`, `train_accuracy` (0..1) of
    the epoch's batches; `validation_loss`, `validation_accuracy`;
    `learning_rate_<part>` of the next step; `tuned_fraction` of the gates, if there are
    some. A resumed training continues after its checkpoint.

    Args:
        path: The file.
        gate_statistics: Returns the latest statistics, None without gates.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        gate_statistics: Callable[[], GateStatistics | None] = lambda: None,
    ):
        super().__init__()
        self._path = pathlib.Path(path)
        self._gate_statistics = gate_statistics
        self._rows: list[dict[str, str]] = []

    def on_train_begin(self, logs=None):
        """Reads the rows up to the step to resume from."""
        last = optimizers.count_steps(self.model.optimizer)
        self._rows = [row for row in read_rows(self._path) if int(row["step"]) <= last]

    def on_epoch_end(self, epoch, logs=None):
        """Writes the row of the epoch."""
        values = {
            tensorboard_logger.scalar_tag(key).replace("/", "_"): float(value)
            for key, value in (logs or {}).items()
        }
        for part, rate in tensorboard_logger.learning_rates(
            self.model.optimizer
        ).items():
            values[f"learning_rate_{part}"] = rate
        statistics = self._gate_statistics()
        if statistics is not None:
            values["tuned_fraction"] = statistics.tuned_fraction
        step = optimizers.count_steps(self.model.optimizer)
        row = {"epoch": str(epoch + 1), "step": str(step)}
        row |= {name: f"{value:.6g}" for name, value in values.items()}
        self._rows.append(row)
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        atomic.write_csv(
            self._path,
            columns,
            [[row.get(name, "") for name in columns] for row in self._rows],
        )


def read_rows(path: str | os.PathLike) -> list[dict[str, str]]:
    """Returns the rows of a table; none of a file that is missing or damaged."""
    path = pathlib.Path(path)
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        # None is what csv calls a cell too many, or what is not there of one too few.
        if all(
            row["step"].isdecimal() and None not in (*row, *row.values())
            for row in rows
        ):
            return rows
    except (OSError, ValueError, csv.Error, KeyError, AttributeError):
        pass
    logging.warning("%s cannot be read; it begins anew.", path)
    return []
