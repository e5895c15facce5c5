"""Ends a training that no longer gets better, with the weights of its best epoch."""

import json
import os
import pathlib

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.files import atomic
from adafilter_tf.optim import ema, optimizers
from adafilter_tf.training import checkpointing

MONITORS = {
    "validation_accuracy": ("val_accuracy", 1),
    "validation_loss": ("val_loss", -1),
}
"""What may decide: its key in Keras' logs, and the sign that makes more better."""
_LOST = (
    "Early stopping needs the validations so far: put the run's own file back, or "
    "train again in another --output_dir."
)


class EarlyStopping(keras.callbacks.Callback):
    """Keeps the best weights and stops when `patience` epochs brought no better ones.

    Put it after the validation and before the checkpoints. What it knows lies in a
    folder beside them and is taken back to the step that a run goes on from, so that a
    resume ends as the uninterrupted run would have.

    Args:
        monitor: A key of `MONITORS`.
        patience: Epochs without improvement, at least 1.
        folder: Where history and best weights are kept; None keeps them in memory.
        checkpoints: Folder of the checkpoints, each of which may be gone on from.
    """

    def __init__(
        self,
        monitor: str,
        patience: int,
        folder: str | os.PathLike | None = None,
        checkpoints: str | os.PathLike | None = None,
    ):
        super().__init__()
        self._monitor = monitor
        self._key, self._sign = MONITORS[monitor]
        self._patience = patience
        self._folder = pathlib.Path(folder) if folder else None
        self._checkpoints = pathlib.Path(checkpoints) if checkpoints else None
        self._values: dict[int, float] = {}
        self._takes_part = False
        self._kept: dict[int, list[np.ndarray]] = {}

    def begin(self, step: int) -> None:
        """Takes part from now on, with what was known at a step.

        Args:
            step: Number of updates so far.
        """
        self._takes_part = True
        self._values = {}
        if self._folder and _history(self._folder).exists():
            rows = _read_history(_history(self._folder))
            self._values = {row: value for row, value in rows if row <= step}

    def has_stopped(self) -> bool:
        """Returns whether the last epochs brought no better weights."""
        if not self._values:
            return False
        later = [step for step in self._values if step > self._best(self.last_step)]
        return len(later) >= self._patience

    def on_epoch_end(self, epoch, logs=None):
        """Compares, keeps the weights of a better epoch, stops."""
        if not self._takes_part:
            return
        step = optimizers.count_steps(self.model.optimizer)
        self._values[step] = float(logs[self._key])
        if self._best(step) == step:
            self._keep(step)
        if self._folder:
            rows = json.dumps(list(self._values.items()))
            atomic.write_text(_history(self._folder), rows)
        self._drop_useless(step)
        if self.has_stopped():
            self.model.stop_training = True

    def restore(self, model: keras.Model) -> dict:
        """Gives a model the best weights.

        Returns:
            `best_step` and `stopped_early`.

        Raises:
            RunError: The history of validations or the best weights are lost.
        """
        if self._folder and not self._values:
            raise errors.RunError(f"{_history(self._folder)} is missing. {_LOST}")
        best = self._best(self.last_step)
        if self._folder:
            arrays = checkpointing.load_arrays(_weights(self._folder, best))
        else:
            arrays = self._kept[best]
        model.set_weights(arrays)
        logging.info(
            "The best %s, %.4f, is that of step %d; its weights are the result.",
            self._monitor,
            self._values[best],
            best,
        )
        return {"best_step": best, "stopped_early": self.has_stopped()}

    @property
    def last_step(self) -> int:
        """The step of the latest validation."""
        return max(self._values)

    def _best(self, last: int) -> int:
        """Returns the best step up to `last`, the first one of equals."""
        steps = [step for step in sorted(self._values) if step <= last]
        # A value that is no number is never the best.
        return max(steps, key=lambda step: _order(self._sign * self._values[step]))

    def _keep(self, step: int) -> None:
        with ema.averaged(self.model):
            arrays = self.model.get_weights()
        if self._folder:
            checkpointing.save_arrays(_weights(self._folder, step), arrays)
        else:
            self._kept[step] = arrays

    def _drop_useless(self, step: int) -> None:
        """Drops weights that are the best neither now nor at a kept checkpoint."""
        useful = {self._best(step)}
        if not self._folder:
            self._kept = {best: self._kept[best] for best in useful}
            return
        for reached in checkpointing.list_steps(self._checkpoints):
            if any(known <= reached for known in self._values):
                useful.add(self._best(reached))
        for path in self._folder.glob("step_*.npz"):
            if int(path.stem.removeprefix("step_")) not in useful:
                path.unlink()


def _history(folder: pathlib.Path) -> pathlib.Path:
    return folder / "history.json"


def _read_history(path: pathlib.Path) -> list[tuple[int, float]]:
    try:
        rows = json.loads(path.read_text("utf-8"))
        return [(int(step), float(value)) for step, value in rows]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise errors.RunError(
            f"{path} cannot be read ({errors.explain(error)}). {_LOST}"
        ) from error


def _weights(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"step_{step:09d}.npz"


def _order(value: float) -> float:
    return value if np.isfinite(value) else -np.inf
