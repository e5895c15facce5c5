"""What a training is: its length, its batches, its stages, its optimizer."""

import dataclasses
from collections.abc import Callable

import keras

from adafilter_tf.optim import optimizers, stages

BATCH_NORMS = ("adapt", "fixed")


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How long and on what batches a run trains.

    Attributes:
        epochs: Number of epochs.
        steps_per_epoch: Steps between two validations and checkpoints.
        batch_size: Examples per step over all replicas.
        log_every: Steps between two points of TensorBoard's batch curve.
        cache_frozen_features: See `feature_cache.cache`.
        batch_norm: One of `BATCH_NORMS`: whether a backbone's batch norms that train
            "adapt" to the statistics of the batches, or are "fixed" at the pre-trained
            ones, see `batch_norm_statistics.fixed`.
        renew_batch_norm_statistics: Whether, if they adapt, momenta are fitted to the
            length of the training and statistics re-estimated for the final weights.
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    log_every: int
    cache_frozen_features: bool = False
    batch_norm: str = "adapt"
    renew_batch_norm_statistics: bool = True

    @property
    def renews(self) -> bool:
        """Whether batch norm statistics are re-estimated after training."""
        return self.batch_norm == "adapt" and self.renew_batch_norm_statistics

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch


@dataclasses.dataclass(frozen=True)
class TrainingPlan:
    """How a model is trained, whatever the method.

    Attributes:
        stages: Parts of the training, in order.
        optimizer: Rates and kinds of every stage's optimizer.
        loss: See `losses.create_loss`; None for the plain cross-entropy.
        jit_compile: Whether XLA compiles the training step.
        finish: See `methods.Method`; None leaves the weights of the last step.
    """

    stages: tuple[stages.Stage, ...]
    optimizer: optimizers.OptimizerOptions
    loss: keras.losses.Loss | None = None
    jit_compile: bool = False
    finish: Callable[..., dict] | None = None

    def scale_rates(self, factor: float) -> "TrainingPlan":
        """Returns the plan with all learning rates multiplied by a factor."""
        optimizer = optimizers.scale_rates(self.optimizer, factor)
        return dataclasses.replace(self, optimizer=optimizer)
