"""One training run in its folder: from splits to a saved model and its metrics."""

import contextlib
import dataclasses
import functools
import signal

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors, evaluation, training
from adafilter_tf.data import pipeline
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import preemption, run_callbacks, run_dir
from adafilter_tf.training import checkpointing, statistics_renewal
from adafilter_tf.training.callbacks import checkpoint, stopwatch, validation
from adafilter_tf.training.tensorboard import (
    evaluation_images,
    event_writer,
    hparams,
    projector,
)

_MAX_SAMPLE = 256

ROLLBACK_FACTOR = 0.5
"""Of all learning rates at each rollback."""


@dataclasses.dataclass(frozen=True)
class SafetyOptions:
    """What a run does against being killed and against a loss that is no number.

    Attributes:
        checkpoints: When they are written.
        on_non_finite: "stop" or "rollback".
        max_rollbacks: At most so many in a run.
    """

    checkpoints: checkpoint.CheckpointOptions = checkpoint.CheckpointOptions()
    on_non_finite: str = "stop"
    max_rollbacks: int = 3


def train(
    model: keras.Model,
    data: pipeline.TrainingInput,
    folder: run_dir.RunDir,
    plan: training.TrainingPlan,
    *,
    method: str,
    options: training.TrainingOptions,
    safety: SafetyOptions,
    report: dict,
    stopping: run_callbacks.StoppingOptions = run_callbacks.StoppingOptions(),  # noqa: B008
    log: run_callbacks.LoggingOptions = run_callbacks.LoggingOptions(),  # noqa: B008
    workers: workers_lib.Workers = workers_lib.ALONE,
) -> dict:
    """Trains, saves the model, scores it on test and writes the metrics.

    Args:
        model: Made in its strategy's scope.
        data: Train, validation and test images.
        folder: Of the run; a checkpoint found there is resumed.
        plan: Stages of the training.
        method: Name that the checkpoints carry.
        options: Length and batches.
        safety: Checkpoints and rollbacks.
        report: Further entries of the metrics.
        stopping: When the training ends early.
        log: What TensorBoard is told beside the curves.
        workers: Of the run; all of them train and score, the chief has the folder.

    Returns:
        The metrics, as written to `folder.metrics`.

    Raises:
        NonFiniteError: When the loss is not finite, after the rollbacks allowed.
        Preempted: When SIGTERM came; all is saved then.
        KeyboardInterrupt: When SIGINT came; all is saved then.
        RunError: When a checkpoint is of another run or cannot be written.
    """
    splits = data.splits
    num_classes = len(splits.train.class_names)
    workers.broadcast_from_chief(lambda: folder.root.mkdir(parents=True, exist_ok=True))
    score = evaluation.create_scorer(model, data.spec, batch_size=options.batch_size)
    renewal = training.create_renewal(model, data, options)
    fit = functools.partial(
        training.fit,
        model,
        data,
        score=score,
        options=options,
        renewal=renewal,
        quiet=not workers.is_chief,
    )
    info = checkpointing.CheckpointInfo(0, method, num_classes, 0.0)
    validate = validation.Validation(
        score, splits.validation, folder.start_gates, workers, renewal
    )
    writer = event_writer.EventWriter(folder.tensorboard)
    stopper = run_callbacks.create_stopper(stopping, folder)

    def attempt(path, info):
        clock = stopwatch.Stopwatch(info.train_seconds)
        callbacks = run_callbacks.create_callbacks(
            folder,
            info,
            data,
            clock=clock,
            validate=validate,
            stopper=stopper,
            writer=writer,
            options=options,
            log=log,
            checkpoints=safety.checkpoints,
            is_preempted=asked.is_requested,
            workers=workers,
        )
        found = fit(
            plan.scale_rates(ROLLBACK_FACTOR**info.rollbacks),
            callbacks=callbacks,
            stopper=stopper,
            resume=training.ResumePoint(path, info.step, folder.checkpoints, workers),
        )
        return found, clock, info.rollbacks

    with preemption.Preemption() as asked, _ending_as_asked(asked):
        finished, clock, rollbacks = _attempt_until_finite(
            attempt, folder, model, info, safety, workers
        )
        (is_asked,) = workers.any_worker(asked.is_requested())
        if is_asked:
            raise errors.Preempted(
                "Asked to end; all steps are taken and saved. The same command "
                "resumes there."
            )
    workers.broadcast_from_chief(lambda: _save_model(model, folder))
    tested = score(splits.test.paths)
    steps = stopper.last_step if stopper else options.total_steps
    metrics = {
        **report,
        "num_classes": num_classes,
        "num_train_examples": len(splits.train),
        "steps": steps,
        "rollbacks": rollbacks,
        "train_seconds": clock.seconds,
        "steps_per_second": steps / clock.seconds,
        **training.count_parameters(model),
        **finished,
        **_measure_sample(score, data),
        **training.measure_split(score, splits.validation, "validation"),
        **training.measure_outputs(tested, splits.test.labels, "test"),
    }
    if workers.is_chief:
        _warn_of_gap(metrics)
        _write_events(writer, metrics, tested.logits, splits.test)
    projector.write_projector(
        folder.tensorboard,
        model,
        splits.validation,
        data.spec,
        batch_size=options.batch_size,
        workers=workers,
    )
    workers.broadcast_from_chief(lambda: atomic.write_json(folder.metrics, metrics))
    return metrics


def _save_model(model: keras.Model, folder: run_dir.RunDir) -> None:
    model_file.save_model(model, folder.model)
    folder.record(folder.model.name)


def _measure_sample(score, data: pipeline.TrainingInput) -> dict:
    """Returns the metrics of some training images in inference mode."""
    examples = data.splits.train
    order = np.random.default_rng(data.seed).permutation(len(examples))
    return training.measure_split(score, examples.take(order[:_MAX_SAMPLE]), "train")


def _warn_of_gap(metrics: dict) -> None:
    gap = statistics_renewal.describe_gap(
        metrics.get("last_epoch_accuracy"), metrics["train_accuracy"]
    )
    if gap:
        logging.warning("%s", gap)


@contextlib.contextmanager
def _ending_as_asked(asked: preemption.Preemption):
    """A context in which Ctrl-C ends as Ctrl-C once all is saved."""
    try:
        yield
    except errors.Preempted as error:
        if asked.signal == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise


def _write_events(writer, metrics: dict, logits, test) -> None:
    """Tells TensorBoard what the test gave, at the last step."""
    steps = metrics["steps"]
    writer.open(steps)
    evaluation_images.write_images(writer, "test", logits, test, steps)
    hparams.write_result(writer, metrics, steps)
    writer.close()


def _attempt_until_finite(attempt, folder, model, info, safety, workers):
    """Goes on from the newest checkpoint, again after each rollback."""
    rollbacks = 0
    start = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    while True:
        path, found = checkpointing.find_checkpoint(
            folder.checkpoints,
            method=info.method,
            num_classes=info.num_classes,
            workers=workers,
        ) or (None, info)
        if path is None:
            for variable, array in zip(model.variables, start, strict=True):
                variable.assign(array)
        rollbacks = max(rollbacks, found.rollbacks)
        try:
            return attempt(path, dataclasses.replace(found, rollbacks=rollbacks))
        except errors.NonFiniteError as error:
            if safety.on_non_finite == "stop" or rollbacks == safety.max_rollbacks:
                raise
            rollbacks += 1
            logging.warning(
                "%s Rollback %d of %d: on from the last checkpoint with learning rates "
                "times %g.",
                error,
                rollbacks,
                safety.max_rollbacks,
                ROLLBACK_FACTOR**rollbacks,
            )
