"""Validates at the end of every epoch, exactly, and looks at the gates meanwhile."""

import contextlib
import functools
import math
import os
import pathlib
from collections.abc import Callable

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors, evaluation
from adafilter_tf.data import examples as examples_lib
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.files import atomic, untrusted
from adafilter_tf.models import gate_io
from adafilter_tf.optim import ema
from adafilter_tf.training import statistics_renewal

_HEADER_BYTES = 1 << 10  # of an array in a file; NumPy's has 128


class Validation(keras.callbacks.Callback):
    """Adds `val_loss` and `val_accuracy` to the logs and keeps gate statistics.

    Put it before the callbacks that read these. The gates of the first look, before any
    step, are kept in a file, so that "how far did the gates move" still has its origin
    after a resume.

    Args:
        score: Made by `evaluation.create_scorer`.
        examples: The validation examples, not empty.
        start_gates_path: File of the gates at the start; written when missing. None
            does not look at the gates.
        workers: Of the run; all of them score, the chief has the file.
        renewal: Gives EMA weights batch norm statistics of their own; None leaves them
            those of the training.

    Attributes:
        gate_statistics: Of the latest look; None for a model without gates.
        outputs: Of the latest validation; None before the first.
    """

    def __init__(
        self,
        score: Callable[..., evaluation.Outputs],
        examples: examples_lib.Examples,
        start_gates_path: str | os.PathLike | None,
        workers: workers_lib.Workers = workers_lib.ALONE,
        renewal: statistics_renewal.StatisticsRenewal | None = None,
    ):
        super().__init__()
        self.gate_statistics: gate_statistics.GateStatistics | None = None
        self.outputs: evaluation.Outputs | None = None
        self._score = score
        self._examples = examples
        self._path = pathlib.Path(start_gates_path) if start_gates_path else None
        self._start_gates: dict[str, np.ndarray] = {}
        self._workers = workers
        self._renewal = renewal

    def on_train_begin(self, logs=None):
        """Looks at the gates before the first step, or reads what was seen then."""
        gates = gate_io.list_gates(self.model)
        if not gates:
            return
        if self._path is None:
            return
        read = functools.partial(
            _read_start_gates, self._path, gates, len(self._examples)
        )
        seen = self._workers.broadcast_from_chief(read)
        if seen is not None:
            self._start_gates = seen
            return
        self._start_gates = self._score(self._examples.paths).gates
        write = functools.partial(_write_start_gates, self._path, self._start_gates)
        self._workers.broadcast_from_chief(write)
        self._look(self._start_gates)

    def on_epoch_end(self, epoch, logs=None):
        """Scores every validation example once."""
        with ema.averaged(self.model) as is_averaged, self._renewed(is_averaged):
            self.outputs = outputs = self._score(self._examples.paths)
        metrics = evaluation.compute_metrics(outputs.logits, self._examples.labels)
        if logs is not None:
            logs["val_loss"] = metrics["loss"]
            logs["val_accuracy"] = metrics["accuracy"]
        if outputs.gates and self._path:
            self._look(outputs.gates)

    def _renewed(self, is_averaged: bool) -> contextlib.AbstractContextManager:
        if self._renewal is None or not is_averaged:
            return contextlib.nullcontext()
        return self._renewal.renewed()

    def _look(self, gates: dict[str, np.ndarray]) -> None:
        shapes = {name: array.shape for name, array in gates.items()}
        if {name: array.shape for name, array in self._start_gates.items()} != shapes:
            raise errors.RunError(
                f"{self._path} holds the gates of other layers or images than this "
                "run's. Remove it: gates/changed_fraction then counts from here on."
            )
        self.gate_statistics = gate_statistics.gate_statistics(gates, self._start_gates)
        logging.info(
            "Gates: %.3f tuned, %.3f of the filters depend on the image, %.3f of the "
            "choices differ from initialization.",
            self.gate_statistics.tuned_fraction,
            self.gate_statistics.image_dependent_fraction,
            self.gate_statistics.changed_fraction,
        )


def _read_start_gates(
    path: pathlib.Path, gates: dict, num_examples: int
) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    filters = sum(math.prod(gate.shape[1:]) for gate in gates.values())
    largest = 8 * num_examples * filters + _HEADER_BYTES * len(gates)
    return untrusted.load_arrays(path, max_bytes=largest)


def _write_start_gates(path: pathlib.Path, gates: dict[str, np.ndarray]) -> None:
    with atomic.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **gates)
