"""Ends a run with a non-finite loss before anything of it is saved."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from adafilter_tf import errors
from adafilter_tf.optim import optimizers
from adafilter_tf.training.tensorboard import tensorboard_logger

_MAX_NAMES = 32


class FiniteLoss(keras.callbacks.Callback):
    """Raises `NonFiniteError` at the first step whose loss is not finite.

    A gradient that is not finite makes weights so, and with them the loss of the next
    step, so the message names the batches of both steps. Keras' TerminateOnNaN would
    end training quietly and let the other callbacks save the weights.

    Args:
        list_batch: Returns the files of the batch of a step, counted from 0.
    """

    def __init__(self, list_batch: Callable[[int], Sequence[str]] = lambda step: ()):
        super().__init__()
        self._list_batch = list_batch

    def on_train_batch_end(self, batch, logs=None):
        """Checks the running mean of the loss, which stays NaN once it is."""
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            step = optimizers.count_steps(self.model.optimizer)
            raise errors.NonFiniteError(
                f"The loss is {loss} at step {step}; nothing was saved since the last "
                f"checkpoint. {self.explain(step)}"
            )

    def explain(self, step: int) -> str:
        """Returns what may be the cause at a step, and what helps."""
        return (
            f"Learning rates of the next step: {self._rates()}. "
            f"{self._name_files(step)}Give the same command with "
            "--on_non_finite=rollback, or start anew in another --output_dir with a "
            "lower --learning_rate, --head_learning_rate or --gate_learning_rate or a "
            "higher --warmup_fraction."
        )

    def _rates(self) -> str:
        rates = tensorboard_logger.learning_rates(self.model.optimizer)
        return ", ".join(f"{name} {rate:g}" for name, rate in rates.items())

    def _name_files(self, step: int) -> str:
        sentences = []
        for taken in range(step, max(0, step - 2), -1):
            paths = [str(path) for path in self._list_batch(taken - 1)]
            if paths:
                more = len(paths) - _MAX_NAMES
                names = " ".join(paths[:_MAX_NAMES])
                names += f" and {more} more" if more > 0 else ""
                sentences.append(f"Images of step {taken}: {names}. ")
        return "".join(sentences)
