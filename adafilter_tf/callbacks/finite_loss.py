"""Ends a run whose loss is no number before anything of it is saved."""

import keras
import numpy as np

from adafilter_tf import errors, optimization


class FiniteLoss(keras.callbacks.Callback):
    """Raises `RunError` at the first step whose loss is not finite.

    Keras' TerminateOnNaN would end training quietly and let the other callbacks save
    the weights.
    """

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the running mean of the loss, which keeps a NaN once it had one."""
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            step = optimization.count_steps(self.model.optimizer)
            raise errors.RunError(
                f"The loss is {loss} at step {step}; nothing was saved since the last "
                "checkpoint. Lower --learning_rate, --head_learning_rate or "
                "--gate_learning_rate, or raise --warmup_fraction."
            )
