"""What runs beside a training in its folder, in the order in which it must run."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import keras

from adafilter_tf import training
from adafilter_tf.data import pipeline
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.runs import run_dir
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import (
    checkpoint,
    early_stopping,
    finite_loss,
    stopwatch,
    validation,
)
from adafilter_tf.training.tensorboard import (
    evaluation_images,
    event_writer,
    hparams,
    profiler,
    tensorboard_logger,
)


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


def create_stopper(
    options: StoppingOptions, folder: run_dir.RunDir | None
) -> early_stopping.EarlyStopping | None:
    """Returns what ends a training early, None for nothing.

    Args:
        options: When.
        folder: Of the run; None for a training in memory.
    """
    if not options.early_stopping_patience:
        return None
    return early_stopping.EarlyStopping(
        options.monitor,
        options.early_stopping_patience,
        folder.best_weights if folder else None,
        folder.checkpoints if folder else None,
    )


def create_callbacks(
    folder: run_dir.RunDir,
    info: checkpointing.CheckpointInfo,
    data: pipeline.TrainingInput,
    *,
    clock: stopwatch.Stopwatch,
    validate: validation.Validation,
    stopper: early_stopping.EarlyStopping | None,
    writer: event_writer.EventWriter,
    options: training.TrainingOptions,
    log: LoggingOptions,
    checkpoints: checkpoint.CheckpointOptions,
    is_preempted: Callable[[], bool],
    workers: workers_lib.Workers = workers_lib.ALONE,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order in which they see the end of an epoch.

    The clock stops first; what is not finite ends the run before it is saved; the
    validation's results are there for those that write them down. Of several workers
    the chief alone has those that only write.

    Args:
        folder: Of the run.
        info: For the checkpoints.
        data: What is trained and validated on.
        clock: Of the training.
        validate: Of the validation examples.
        stopper: Ends the training early; None for nothing.
        writer: Of the run's TensorBoard folder.
        options: Length and batches.
        log: What TensorBoard is told.
        checkpoints: When they are written.
        is_preempted: Whether this worker is to end.
        workers: Of the run.
    """
    list_batch = functools.partial(
        pipeline.list_batch, data, global_batch_size=options.batch_size
    )
    finite = finite_loss.FiniteLoss(list_batch)
    saver = checkpoint.Checkpoint(
        folder.checkpoints,
        info,
        clock,
        checkpoints,
        is_preempted,
        finite.explain,
        workers,
    )
    callbacks = [clock, finite, validate]
    if not workers.is_chief:
        return [*callbacks, saver]
    logger = tensorboard_logger.TensorBoardLogger(
        writer,
        gate_statistics=lambda: validate.gate_statistics,
        log_every=options.log_every,
        steps_per_epoch=options.steps_per_epoch,
    )
    callbacks += [
        logger,
        hparams.HyperParameters(writer, log.hyperparameters),
        evaluation_images.EvaluationImages(writer, validate, data.splits.validation),
    ]
    if stopper:
        callbacks.append(stopper)
    if log.profile_steps:
        callbacks.append(profiler.Profiler(writer.log_dir, *log.profile_steps))
    return [*callbacks, saver]
