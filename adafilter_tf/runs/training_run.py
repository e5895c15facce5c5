"""One training run in its folder: from splits to a saved model and its metrics."""

import contextlib
import dataclasses
import signal
import time
from collections.abc import Callable

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors, evaluation, training
from adafilter_tf.data import pipeline
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.evaluation import feature_probe
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import (
    preemption,
    run_callbacks,
    run_card,
    run_dir,
    run_options,
    run_pictures,
    run_predictions,
)
from adafilter_tf.training import checkpointing, statistics_renewal
from adafilter_tf.training.callbacks import stopwatch, validation
from adafilter_tf.training.tensorboard import (
    evaluation_images,
    event_writer,
    hparams,
    projector,
)

_MAX_SAMPLE = 256

ROLLBACK_FACTOR = 0.5
"""Of all learning rates at each rollback."""


def train(
    model: keras.Model,
    data: pipeline.TrainingInput,
    folder: run_dir.RunDir,
    plan: training.TrainingPlan,
    *,
    method: str,
    options: run_options.RunOptions,
    report: dict,
    probe: feature_probe.FeatureProbe | None = None,
    workers: workers_lib.Workers = workers_lib.ALONE,
) -> tuple[dict, evaluation.Outputs]:
    """Trains, saves the model, scores it on test and writes the metrics.

    Args:
        model: Made in its strategy's scope.
        data: Train, validation and test images.
        folder: Of the run; a checkpoint found there is resumed.
        plan: Stages of the training.
        method: Name that the checkpoints carry.
        options: Of the run.
        report: Further entries of the metrics.
        probe: What the result is compared with on the validation images; None for
            nothing.
        workers: Of the run; all of them train and score, the chief has the folder.

    Returns:
        The metrics, as written to `folder.metrics`, and the outputs for the test
        images.

    Raises:
        NonFiniteError: When the loss is not finite, after the rollbacks allowed.
        Preempted: When SIGTERM came; all is saved then.
        KeyboardInterrupt: When SIGINT came; all is saved then.
        RunError: When a checkpoint is of another run or cannot be written.
    """
    workers.broadcast_from_chief(lambda: folder.root.mkdir(parents=True, exist_ok=True))
    run = _Run(model, data, folder, plan, method, options, probe, workers)
    with preemption.Preemption() as asked, _ending_as_asked(asked):
        ended = run.attempt_until_finite(asked.is_requested)
        (is_asked,) = workers.any_worker(asked.is_requested())
        if is_asked:
            raise errors.Preempted(
                "Asked to end; all steps are taken and saved. The same command "
                "resumes there."
            )
    workers.broadcast_from_chief(lambda: _save_model(model, folder))
    metrics, tested = run.measure(ended)
    metrics = {**report, **metrics}
    if workers.is_chief:
        _warn(
            metrics, options.training.renews or options.training.batch_norm == "fixed"
        )
        pictures = _write_events(run.writer, metrics, tested.logits, data.splits.test)
        run_predictions.write_predictions(folder, tested.logits, data.splits.test)
        run_pictures.write_pictures(folder, pictures, metrics["test_accuracy"])
        run_card.write_card(folder, metrics, data.splits)
    projector.write_projector(
        folder.tensorboard,
        model,
        data.splits.validation,
        data.spec,
        batch_size=options.training.batch_size,
        workers=workers,
    )
    workers.broadcast_from_chief(lambda: atomic.write_json(folder.metrics, metrics))
    return metrics, tested


@dataclasses.dataclass(frozen=True)
class _Ended:
    """A training that has come to its end.

    Attributes:
        found: See `training.Trainer.fit`.
        seconds: Time in training.
        rollbacks: How many there were.
    """

    found: dict
    seconds: float
    rollbacks: int


class _Run:
    """What the attempts of one run share; see `train`."""

    def __init__(self, model, data, folder, plan, method, options, probe, workers):
        self._model = model
        self._data = data
        self._folder = folder
        self._plan = plan
        self._options = options
        self._probe = probe
        self._workers = workers
        steps = options.training
        self._score = evaluation.create_scorer(
            model, data.spec, batch_size=steps.batch_size
        )
        renewal = training.create_renewal(model, data, steps)
        self._validate = validation.Validation(
            self._score, data.splits.validation, folder.start_gates, workers, renewal
        )
        self._trainer = training.Trainer(
            model,
            steps,
            score=self._score,
            renewal=renewal,
            quiet=not workers.is_chief,
        )
        self._stopper = run_callbacks.create_stopper(options.stopping, folder)
        self._first = checkpointing.CheckpointInfo(
            0, method, len(data.splits.train.class_names), 0.0
        )
        self.writer = event_writer.EventWriter(folder.tensorboard)

    def attempt_until_finite(self, is_requested: Callable[[], bool]) -> _Ended:
        """Resumes from the newest checkpoint, again after each rollback."""
        safety, model, rollbacks = self._options.safety, self._model, 0
        start = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
        while True:
            path, found = checkpointing.find_checkpoint(
                self._folder.checkpoints,
                method=self._first.method,
                num_classes=self._first.num_classes,
                workers=self._workers,
            ) or (None, self._first)
            if path is None:
                for variable, array in zip(model.variables, start, strict=True):
                    variable.assign(array)
            rollbacks = max(rollbacks, found.rollbacks)
            try:
                return self._attempt(
                    path, dataclasses.replace(found, rollbacks=rollbacks), is_requested
                )
            except errors.NonFiniteError as error:
                if safety.on_non_finite == "stop" or rollbacks == safety.max_rollbacks:
                    raise
                rollbacks += 1
                logging.warning(
                    "%s Rollback %d of %d: resuming from the last checkpoint with "
                    "learning rates times %g.",
                    error,
                    rollbacks,
                    safety.max_rollbacks,
                    ROLLBACK_FACTOR**rollbacks,
                )

    def _attempt(self, path, info, is_requested) -> _Ended:
        clock = stopwatch.Stopwatch(info.train_seconds)
        callbacks = run_callbacks.create_callbacks(
            self._folder,
            info,
            self._data,
            run_callbacks.Observers(clock, self._validate, self._stopper, self.writer),
            self._options,
            is_preempted=is_requested,
            workers=self._workers,
        )
        found = self._trainer.fit(
            self._data,
            self._plan.scale_rates(ROLLBACK_FACTOR**info.rollbacks),
            callbacks=callbacks,
            stopper=self._stopper,
            resume=training.ResumePoint(
                path, info.step, self._folder.checkpoints, self._workers
            ),
        )
        return _Ended(found, clock.seconds, info.rollbacks)

    def measure(self, ended: _Ended) -> tuple[dict, evaluation.Outputs]:
        """Returns the metrics, and the outputs for the test images."""
        splits, steps = self._data.splits, self._options.training.total_steps
        if self._stopper:
            steps = self._stopper.last_step
        held_out = splits.validation
        validated = self._score(held_out.paths)
        started = time.monotonic()
        tested = self._score(splits.test.paths)
        test_seconds = time.monotonic() - started
        return {
            "num_classes": self._first.num_classes,
            "num_train_examples": len(splits.train),
            "steps": steps,
            "rollbacks": ended.rollbacks,
            "train_seconds": ended.seconds,
            "steps_per_second": steps / ended.seconds,
            **training.count_parameters(self._model),
            **ended.found,
            **_measure_sample(self._score, self._data),
            **training.measure_outputs(validated, held_out.labels, "validation"),
            **training.measure_outputs(tested, splits.test.labels, "test"),
            "test_seconds": test_seconds,
            "test_accuracy_per_class": evaluation.measure_classes(
                tested.logits, splits.test
            ),
            **self._compare_with_probe(validated.logits),
        }, tested

    def _compare_with_probe(self, logits: np.ndarray) -> dict:
        if self._probe is None:
            return {}
        labels = self._data.splits.validation.labels
        return {**self._probe.list_metrics(), **self._probe.compare(logits, labels)}


def _save_model(model: keras.Model, folder: run_dir.RunDir) -> None:
    model_file.save_model(model, folder.model)
    folder.record(folder.model.name)


def _measure_sample(score, data: pipeline.TrainingInput) -> dict:
    """Returns the metrics of some training images in inference mode."""
    examples = data.splits.train
    order = np.random.default_rng(data.seed).permutation(len(examples))
    return training.measure_split(score, examples.take(order[:_MAX_SAMPLE]), "train")


def _warn(metrics: dict, renewed: bool) -> None:
    gap = statistics_renewal.describe_gap(
        metrics.get("last_epoch_accuracy"), metrics["train_accuracy"], renewed=renewed
    )
    for warning in filter(None, (gap, feature_probe.describe_shortfall(metrics))):
        logging.warning("%s", warning)


@contextlib.contextmanager
def _ending_as_asked(asked: preemption.Preemption):
    """A context in which Ctrl-C ends as Ctrl-C once all is saved."""
    try:
        yield
    except errors.Preempted as error:
        if asked.signal == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise


def _write_events(writer, metrics: dict, logits, test) -> dict[str, np.ndarray]:
    """Tells TensorBoard what the test gave, at the last step; returns its pictures."""
    steps = metrics["steps"]
    writer.open(steps)
    pictures = evaluation_images.write_images(writer, "test", logits, test, steps)
    hparams.write_result(writer, metrics, steps)
    writer.close()
    return pictures
