"""What runs beside a training in its folder, in the order in which it must run."""

import dataclasses
import functools
from collections.abc import Callable

import keras

from adafilter_tf.data import pipeline
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.runs import run_dir, run_options
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import (
    checkpoint,
    early_stopping,
    finite_loss,
    results_table,
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
class Observers:
    """What watches a training, and is asked when it is over.

    Attributes:
        clock: Stops outside of training.
        validate: Scores the validation examples after each epoch.
        stopper: Ends the training early; None for nothing.
        writer: Writes into the run's TensorBoard folder.
    """

    clock: stopwatch.Stopwatch
    validate: validation.Validation
    stopper: early_stopping.EarlyStopping | None
    writer: event_writer.EventWriter


def create_stopper(
    options: run_options.StoppingOptions, folder: run_dir.RunDir | None
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
    observers: Observers,
    options: run_options.RunOptions,
    *,
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
        observers: Those of the callbacks that are asked later.
        options: Of the run.
        is_preempted: Whether this worker is to end.
        workers: Of the run.
    """
    steps = options.training
    list_batch = functools.partial(
        pipeline.list_batch, data, global_batch_size=steps.batch_size
    )
    finite = finite_loss.FiniteLoss(list_batch)
    saver = checkpoint.Checkpoint(
        folder.checkpoints,
        info,
        observers.clock,
        options.safety.checkpoints,
        is_preempted,
        finite.explain,
        workers,
    )
    validate, writer = observers.validate, observers.writer
    callbacks = [observers.clock, finite, validate]
    if not workers.is_chief:
        return [*callbacks, saver]
    logger = tensorboard_logger.TensorBoardLogger(
        writer,
        gate_statistics=lambda: validate.gate_statistics,
        log_every=steps.log_every,
        steps_per_epoch=steps.steps_per_epoch,
    )
    callbacks += [
        logger,
        results_table.ResultsTable(folder.results, lambda: validate.gate_statistics),
        hparams.HyperParameters(writer, options.log.hyperparameters),
        evaluation_images.EvaluationImages(writer, validate, data.splits.validation),
    ]
    if observers.stopper:
        callbacks.append(observers.stopper)
    if options.log.profile_steps:
        callbacks.append(profiler.Profiler(writer.log_dir, *options.log.profile_steps))
    return [*callbacks, saver]
