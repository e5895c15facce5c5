"""Writes checkpoints: at the end of epochs, within them, and when asked to end."""

import dataclasses
import os
import time
from collections.abc import Callable

import keras

from adafilter_tf import errors
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.optim import optimizers
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import stopwatch


@dataclasses.dataclass(frozen=True)
class CheckpointOptions:
    """When checkpoints are written and how many stay.

    Attributes:
        checkpoint_steps: Steps between two within an epoch; 0 for none there.
        checkpoint_minutes: Minutes after which a step writes one; 0 for none.
        keep_checkpoints: Number that stays, at least 1.
    """

    checkpoint_steps: int = 0
    checkpoint_minutes: float = 0.0
    keep_checkpoints: int = 3


class Checkpoint(keras.callbacks.Callback):
    """Saves model, optimizer and the run's progress; ends a run that is to end.

    Put it last, so that what it saves has been logged. After each step the workers ask
    each other whether the chief wants to save and whether any of them is to end; so all
    of them end after the same step.

    Args:
        folder: Where the checkpoints go.
        info: Method and number of classes; step and seconds are filled in.
        clock: Tells the seconds of training so far.
        options: When to write.
        is_preempted: Whether this worker is to end; asked after each step.
        explain: Says what may be the cause of a weight that is no number at a step.
        workers: Of the run.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        info: checkpointing.CheckpointInfo,
        clock: stopwatch.Stopwatch,
        options: CheckpointOptions = CheckpointOptions(),  # noqa: B008 - frozen
        is_preempted: Callable[[], bool] = lambda: False,
        explain: Callable[[int], str] = lambda step: "",
        workers: workers_lib.Workers = workers_lib.ALONE,
    ):
        super().__init__()
        self._folder = folder
        self._info = info
        self._clock = clock
        self._options = options
        self._is_preempted = is_preempted
        self._explain = explain
        self._workers = workers
        self._start = 0
        self._written = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        """Notes the step; reading it after each one would wait for the device."""
        self._start = optimizers.count_steps(self.model.optimizer)

    def on_train_batch_end(self, batch, logs=None):
        """Writes a checkpoint when one is due, but for the last step of an epoch."""
        if batch + 1 == self.params["steps"]:
            return
        step = self._start + batch + 1
        is_due = self._workers.is_chief and self._is_due(step)
        is_due, is_last = self._workers.any_worker(is_due, self._is_preempted())
        if is_due or is_last:
            self._save(step, is_last)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of the step that was just taken."""
        (is_last,) = self._workers.any_worker(self._is_preempted())
        self._save(optimizers.count_steps(self.model.optimizer), is_last)

    def _is_due(self, step: int) -> bool:
        every, minutes = (
            self._options.checkpoint_steps,
            self._options.checkpoint_minutes,
        )
        if every and step % every == 0:
            return True
        return minutes > 0 and time.monotonic() - self._written >= 60 * minutes

    def _save(self, step: int, is_last: bool) -> None:
        info = dataclasses.replace(
            self._info, step=step, train_seconds=self._clock.seconds
        )
        try:
            checkpointing.save_checkpoint(
                self._folder,
                self.model,
                info,
                keep=self._options.keep_checkpoints,
                workers=self._workers,
            )
        except errors.NonFiniteError as error:
            message = f"{error} {self._explain(step)}"
            raise errors.NonFiniteError(message) from error
        self._written = time.monotonic()
        if is_last:
            raise errors.Preempted(
                f"Asked to end; saved at step {step}. The same command resumes there."
            )
