"""Trains a model, stage by stage, from any step to the last one."""

import contextlib
import dataclasses
import functools
import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf import distribution, errors, evaluation
from adafilter_tf.data import pipeline
from adafilter_tf.data.examples import Examples
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.models import batch_norm_statistics
from adafilter_tf.optim import ema, stages
from adafilter_tf.training import (
    checkpointing,
    stage_program,
    statistics_renewal,
)
from adafilter_tf.training.callbacks import early_stopping, epoch_metrics
from adafilter_tf.training.plan import TrainingOptions, TrainingPlan


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """Where a training starts, and where it keeps what a later resume needs.

    Attributes:
        checkpoint: Folder of the checkpoint to start from; None starts at step 0.
        step: Step of that checkpoint.
        stage_ends: Folder for the weights at the end of stages; None keeps none.
        workers: The run's workers; the chief reads and writes these files.
    """

    checkpoint: pathlib.Path | None = None
    step: int = 0
    stage_ends: pathlib.Path | None = None
    workers: workers_lib.Workers = workers_lib.ALONE

    def save_stage_end(self, index: int, weights: list[np.ndarray]) -> None:
        """Keeps the weights at the end of a stage, if there is a folder for them."""
        if self.stage_ends is None:
            return
        path = self.stage_ends / f"stage_{index}.npz"
        save = functools.partial(checkpointing.save_arrays, path, weights)
        self.workers.broadcast_from_chief(save)

    def load_stage_end(self, index: int) -> list[np.ndarray]:
        """Returns the weights at the end of a stage.

        Raises:
            RunError: Their file is missing or damaged.
        """
        if self.stage_ends is None:
            raise ValueError("This training keeps no weights of stages.")
        path = self.stage_ends / f"stage_{index}.npz"
        load = functools.partial(checkpointing.load_arrays, path)
        return self.workers.broadcast_from_chief(load)


class Trainer:
    """Trains a model stage by stage and lets its method finish the weights.

    Args:
        model: Made in its strategy's scope.
        options: Length and batches.
        score: Made by `evaluation.create_scorer`; for `TrainingPlan.finish`.
        renewal: Gives the final weights batch norm statistics; None for one made here,
            if `options` asks for it.
        reusable: Whether `fit` will be called again, with other weights, images and
            rates and the same plan otherwise: then a model of one stage is compiled and
            traced once, see `stage_program.StageProgram`.
        quiet: Whether nothing is printed meanwhile.
    """

    def __init__(
        self,
        model: keras.Model,
        options: TrainingOptions,
        *,
        score: Callable[..., evaluation.Outputs] | None,
        renewal: statistics_renewal.StatisticsRenewal | None = None,
        reusable: bool = False,
        quiet: bool = False,
    ):
        self._model = model
        self._options = options
        self._score = score
        self._renewal = renewal
        self._program = stage_program.StageProgram(model, reusable=reusable)
        self._quiet = quiet

    def fit(
        self,
        data: pipeline.TrainingInput,
        plan: TrainingPlan,
        *,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        stopper: early_stopping.EarlyStopping | None = None,
        resume: ResumePoint = ResumePoint(),  # noqa: B008 - frozen
    ) -> dict:
        """Trains from the model's present weights, or from a checkpoint.

        Args:
            data: Train and validation are used.
            plan: Stages of the training.
            callbacks: Of every stage.
            stopper: One of the callbacks, which takes part in the last stage.
            resume: Where to start.

        Returns:
            What `stopper` and `plan.finish` found out; `last_epoch_accuracy`, of the
            batches of the last epoch in training mode, if this call trained one.

        Raises:
            RunError: When the loss is not finite or an image is gone.
            UsageError: When there are fewer epochs than stages, or no frozen features.
        """
        model, options = self._model, self._options
        _check_cache(options, plan)
        self._renewal = self._renewal or create_renewal(model, data, options)
        if self._renewal:
            self._renewal.read_from(data)
        ends: list[list[np.ndarray]] = []
        found: dict[str, Any] = {}
        start, checkpoint = 0, resume.checkpoint
        for index, count in enumerate(stages.list_epochs(plan.stages, options.epochs)):
            end = start + count * options.steps_per_epoch
            if resume.step > end:
                ends.append(resume.load_stage_end(index))
                start = end
                continue
            is_last = index + 1 == len(plan.stages)
            plan.stages[index].begin(model)
            found |= self._train_stage(
                range(start, end),
                data,
                plan,
                callbacks=callbacks,
                stopper=stopper if is_last else None,
                resume=dataclasses.replace(resume, checkpoint=checkpoint),
            )
            checkpoint = None
            if self._renewal:
                self._renewal.renew()
            if not is_last:
                ends.append(model.get_weights())
                resume.save_stage_end(index, ends[-1])
            start = end
        return {**found, **self._finish(data, plan, ends)}

    def _train_stage(self, steps, data, plan, *, callbacks, stopper, resume) -> dict:
        """Takes the steps of a stage; the end has its average or its best weights."""
        options, start = self._options, steps.start
        with self._batch_norm_mode(len(steps)):
            trained, read = self._program.prepare(steps, data, plan, options)
            if resume.checkpoint is not None:
                checkpointing.load_checkpoint(
                    resume.checkpoint, trained, resume.workers
                )
                logging.info(
                    "Resuming at step %d of %d.", resume.step, options.total_steps
                )
                start = resume.step
            if stopper:
                stopper.begin(start)
            accuracy = _take_steps(
                trained,
                read,
                range(start, steps.stop),
                strategy=self._model.distribute_strategy,
                options=options,
                resume=resume,
                callbacks=callbacks,
                stopper=stopper,
                quiet=self._quiet,
            )
        found = {} if accuracy is None else {"last_epoch_accuracy": accuracy}
        if stopper:
            return {**found, **stopper.restore(trained)}
        ema.apply_average(trained)
        return found

    def _batch_norm_mode(self, steps: int):
        if self._options.batch_norm == "fixed":
            return batch_norm_statistics.fixed(self._model)
        if not self._options.renews:
            return contextlib.nullcontext()
        return batch_norm_statistics.fitted_momentum(
            self._model,
            steps_per_epoch=self._options.steps_per_epoch,
            total_steps=steps,
        )

    def _finish(self, data, plan: TrainingPlan, ends) -> dict:
        if plan.finish is None:
            return {}
        train, validation, score = (
            data.splits.train,
            data.splits.validation,
            self._score,
        )
        if score is None:
            raise ValueError("A method that finishes the weights needs `score`.")

        def measure() -> dict:
            logits = score(validation.paths).logits
            return evaluation.compute_metrics(logits, validation.labels)

        ending = stages.Ending(
            ends,
            measure,
            list_training_gates=lambda: score(train.paths).gates,
        )
        if self._renewal:
            ending = dataclasses.replace(ending, renew=self._renewal.renew)
        return plan.finish(self._model, ending)


def create_renewal(
    model: keras.Model, data: pipeline.TrainingInput, options: TrainingOptions
) -> statistics_renewal.StatisticsRenewal | None:
    """Returns what renews batch norm statistics, None if the options ask for none."""
    if not options.renews:
        return None
    return statistics_renewal.StatisticsRenewal(
        model,
        data,
        batch_size=options.batch_size,
        total_steps=options.total_steps,
    )


def _check_cache(options: TrainingOptions, plan: TrainingPlan) -> None:
    if options.cache_frozen_features and len(plan.stages) > 1:
        raise errors.UsageError(
            "Received --cache_frozen_features for a method of several stages, each "
            "with other frozen layers; leave it out."
        )


def _take_steps(
    model, read, steps, *, strategy, options, resume, callbacks, stopper, quiet
) -> float | None:
    """Takes steps, epoch by epoch, or fewer if `stopper` says so.

    Returns:
        Accuracy of the batches of the last epoch, None without one.
    """
    per_epoch = options.steps_per_epoch
    accuracy = None
    for part in split_at_epoch(steps.start, steps.stop, per_epoch):
        if stopper and stopper.has_stopped():
            break
        make_dataset = functools.partial(
            read,
            global_batch_size=options.batch_size,
            total_steps=part.stop,
            start_step=part.start,
        )
        first = []
        if part.start % per_epoch:
            first = [epoch_metrics.EpochMetrics(resume.checkpoint, resume.workers)]
        history = fit_steps(
            model,
            distribution.distribute(strategy, options.batch_size, make_dataset),
            part,
            steps_per_epoch=per_epoch,
            callbacks=[*first, *callbacks],
            quiet=quiet,
        )
        accuracy = float(history.history["accuracy"][-1])
    return accuracy


def split_at_epoch(start: int, end: int, steps_per_epoch: int) -> list[range]:
    """Returns the rest of an epoch that was cut off, and the whole epochs after it.

    Args:
        start: Number of steps before the first one.
        end: Number of steps after the last one.
        steps_per_epoch: Steps between two validations.
    """
    whole = min(end, -(-start // steps_per_epoch) * steps_per_epoch)
    return [steps for steps in (range(start, whole), range(whole, end)) if steps]


def fit_steps(
    model: keras.Model,
    dataset: tf.data.Dataset,
    steps: range,
    *,
    steps_per_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback],
    quiet: bool,
) -> keras.callbacks.History:
    """Takes steps that `split_at_epoch` gave.

    Args:
        model: Compiled.
        dataset: The batches of these steps.
        steps: Their numbers.
        steps_per_epoch: Steps between two validations.
        callbacks: Of the training.
        quiet: Whether nothing is printed meanwhile.

    Returns:
        Losses and metrics of each epoch.

    Raises:
        RunError: When an image is gone.
    """
    # A bar that redraws itself would fill a log file with its frames.
    verbose = 1 if sys.stdout.isatty() else 2
    try:
        return model.fit(
            dataset,
            epochs=steps.stop // steps_per_epoch,
            steps_per_epoch=min(steps_per_epoch, len(steps)),
            initial_epoch=steps.start // steps_per_epoch,
            callbacks=callbacks,
            shuffle=False,  # the data set's order is its own
            verbose=0 if quiet else verbose,
        )
    except tf.errors.NotFoundError as error:
        missing = re.search(r"([^\n{}]+); No such file", str(error))
        if missing is None:
            raise
        raise errors.RunError(
            f"The image {missing.group(1).strip()} was there when the run began and is "
            "gone; put it back and give the same command again: it resumes from the "
            "last checkpoint."
        ) from error


def count_parameters(model: keras.Model) -> dict[str, int]:
    """Returns the number of all parameters and of those that train."""
    return {
        name: sum(int(np.prod(variable.shape)) for variable in variables)
        for name, variables in (
            ("trainable_parameters", model.trainable_variables),
            ("parameters", model.weights),
        )
    }


def measure_split(
    score: Callable[..., evaluation.Outputs], examples: Examples, split: str
) -> dict:
    """Returns the metrics of a split, each example counted once.

    Args:
        score: Made by `evaluation.create_scorer`.
        examples: Of the split.
        split: "validation" or "test": how the names of the metrics start. For the test
            split of a gated model there are also `tuned_fraction`,
            `tuned_fraction_per_layer` and `image_dependent_fraction`.
    """
    return measure_outputs(score(examples.paths), examples.labels, split)


def measure_outputs(
    outputs: evaluation.Outputs, labels: Sequence[int], split: str
) -> dict:
    """Returns the metrics of a split that was scored; see `measure_split`."""
    metrics: dict[str, Any] = {
        f"{split}_{name}": value
        for name, value in evaluation.compute_metrics(outputs.logits, labels).items()
    }
    if outputs.gates and split == "test" and np.isfinite(metrics["test_loss"]):
        statistics = gate_statistics.gate_statistics(outputs.gates)
        metrics["tuned_fraction"] = statistics.tuned_fraction
        metrics["tuned_fraction_per_layer"] = statistics.tuned_fraction_per_layer
        metrics["image_dependent_fraction"] = statistics.image_dependent_fraction
    return metrics
