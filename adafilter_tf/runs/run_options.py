"""The options of a run beside its model, data and plan."""

import dataclasses
from collections.abc import Mapping

from adafilter_tf import training
from adafilter_tf.training.callbacks import checkpoint


@dataclasses.dataclass(frozen=True)
class LoggingOptions:
    """What TensorBoard is told of a run beside its curves.

    Attributes:
        hyperparameters: The run's settings by name.
        profile_steps: First and last step to profile; None for no profile.
    """

    hyperparameters: Mapping[str, object] = dataclasses.field(default_factory=dict)
    profile_steps: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True)
class StoppingOptions:
    """When a training ends before its last epoch.

    Attributes:
        monitor: A key of `early_stopping.MONITORS`.
        early_stopping_patience: Epochs without improvement; 0 for never.
    """

    monitor: str = "validation_accuracy"
    early_stopping_patience: int = 0


@dataclasses.dataclass(frozen=True)
class SafetyOptions:
    """What a run does against being killed and against a non-finite loss.

    Attributes:
        checkpoints: When they are written.
        on_non_finite: "stop" or "rollback".
        max_rollbacks: At most so many in a run.
    """

    checkpoints: checkpoint.CheckpointOptions = checkpoint.CheckpointOptions()
    on_non_finite: str = "stop"
    max_rollbacks: int = 3


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of one run.

    Attributes:
        training: Length and batches.
        safety: Checkpoints and rollbacks.
        stopping: When the training ends early.
        log: What TensorBoard is told beside the curves.
    """

    training: training.TrainingOptions
    safety: SafetyOptions = SafetyOptions()
    stopping: StoppingOptions = StoppingOptions()
    log: LoggingOptions = LoggingOptions()
