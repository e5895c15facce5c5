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
from adafilter_tf.distribution import keras_multi_worker
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.models import batch_norm_statistics, graph
from adafilter_tf.optim import ema, losses, optimizers, stages
from adafilter_tf.training import (
    checkpointing,
    feature_cache,
    statistics_renewal,
)
from adafilter_tf.training.callbacks import early_stopping, epoch_metrics


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How long and on what batches a run trains.

    Attributes:
        epochs: Number of epochs.
        steps_per_epoch: Steps between two validations and checkpoints.
        batch_size: Examples per step over all replicas.
        log_every: Steps between two points of TensorBoard's batch curve.
        cache_frozen_features: See `feature_cache.cache`.
        renew_batch_norm_statistics: Whether momenta are fitted to the length of the
            training and statistics re-estimated for the final weights.
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    log_every: int
    cache_frozen_features: bool = False
    renew_batch_norm_statistics: bool = True

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


def compile_model(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    jit_compile: bool,
    loss: keras.losses.Loss | None = None,
) -> None:
    """Compiles a classifier for one-hot labels, which MixUp needs.

    Args:
        model: Pixels to logits [B, K].
        optimizer: See `optimizers.create_optimizer`.
        jit_compile: Whether XLA compiles the training step.
        loss: See `losses.create_loss`; None for the plain cross-entropy.
    """
    model.compile(
        optimizer=optimizer,
        loss=loss or losses.create_loss(),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
    )
    _create_variables(model)
    # Other backends' models have no strategy.
    if distribution.is_multi_worker(getattr(model, "distribute_strategy", None)):
        keras_multi_worker.adapt(model)


def compile_stage(
    model: keras.Model, plan: TrainingPlan, *, steps: int, start_step: int = 0
) -> None:
    """Compiles a model for one stage of its plan, in its strategy's scope.

    Args:
        model: Pixels, or features of its frozen layers, to logits [B, K].
        plan: Optimizer and loss.
        steps: Length of the stage, and of the learning rate's schedule.
        start_step: Steps that earlier stages took.

    Raises:
        UsageError: See `optimizers.create_optimizer`.
    """
    with model.distribute_strategy.scope():
        optimizer = optimizers.create_optimizer(
            plan.optimizer,
            total_steps=steps,
            start_step=start_step,
            blocks=graph.assign_blocks(model),
            # A stage calls `fit` many times; `ema` applies the average at its end.
            average_at_end=False,
        )
        compile_model(model, optimizer, loss=plan.loss, jit_compile=plan.jit_compile)


def _create_variables(model: keras.Model) -> None:
    """Creates what the first step would create.

    TensorFlow traces a step that creates variables twice, and tracing is most of the
    time of a short training.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow" and tf.distribute.has_strategy():
        return  # metrics of replicas cannot be updated outside of them
    labels = keras.ops.zeros((1, model.output.shape[-1]))
    model.compute_loss(y=labels, y_pred=labels)
    model.compute_metrics(None, labels, labels)
    model.reset_metrics()


def fit(
    model: keras.Model,
    data: pipeline.TrainingInput,
    plan: TrainingPlan,
    *,
    score: Callable[..., evaluation.Outputs],
    options: TrainingOptions,
    callbacks: Sequence[keras.callbacks.Callback],
    stopper: early_stopping.EarlyStopping | None = None,
    resume: ResumePoint = ResumePoint(),  # noqa: B008 - frozen
    renewal: statistics_renewal.StatisticsRenewal | None = None,
    quiet: bool = False,
) -> dict:
    """Trains a model stage by stage and lets its method finish the weights.

    Args:
        model: Made in its strategy's scope.
        data: Train and validation are used.
        plan: Stages of the training.
        score: Made by `evaluation.create_scorer`; for `plan.finish`.
        options: Length and batches.
        callbacks: Of every stage.
        stopper: One of the callbacks, which takes part in the last stage.
        resume: Where to start.
        renewal: Gives the final weights batch norm statistics; None for one made here,
            if `options` asks for it.
        quiet: Whether nothing is printed meanwhile.

    Returns:
        What `stopper` and `plan.finish` found out; `last_epoch_accuracy`, of the
        batches of the last epoch in training mode, if this call trained one.

    Raises:
        RunError: When the loss is not finite or an image is gone.
        UsageError: When there are fewer epochs than stages, or no frozen features.
    """
    ends, start, parts, found = [], 0, plan.stages, {}
    accuracy = None
    if options.cache_frozen_features and len(parts) > 1:
        raise errors.UsageError(
            "Received --cache_frozen_features for a method of several stages, each "
            "with other frozen layers; leave it out."
        )
    checkpoint = resume.checkpoint
    renewal = renewal or create_renewal(model, data, options)
    for index, count in enumerate(stages.list_epochs(parts, options.epochs)):
        end = start + count * options.steps_per_epoch
        if resume.step > end:
            ends.append(resume.load_stage_end(index))
            start = end
            continue
        parts[index].begin(model)
        momentum = _fit_momentum(model, options, end - start)
        trained, read = feature_cache.prepare(model, data, options)
        compile_stage(trained, plan, steps=end - start, start_step=start)
        if checkpoint is not None:
            checkpointing.load_checkpoint(checkpoint, trained, resume.workers)
            checkpoint = None
            logging.info("Resuming at step %d of %d.", resume.step, options.total_steps)
            start = resume.step
        stops = stopper if index + 1 == len(parts) else None
        if stops:
            stops.begin(start)
        with momentum:
            accuracy = _train_stage(
                trained,
                read,
                start,
                end,
                strategy=model.distribute_strategy,
                options=options,
                resume=resume,
                callbacks=callbacks,
                stopper=stops,
                quiet=quiet,
            )
        if stops:
            found = stops.restore(trained)
        else:
            ema.apply_average(trained)
        if renewal:
            renewal.renew()
        if index + 1 < len(parts):
            ends.append(model.get_weights())
            resume.save_stage_end(index, ends[-1])
        start = end
    if accuracy is not None:
        found = {**found, "last_epoch_accuracy": accuracy}
    if plan.finish is None:
        return found

    def measure() -> dict:
        held_out = data.splits.validation
        return evaluation.compute_metrics(score(held_out.paths).logits, held_out.labels)

    renew = renewal.renew if renewal else lambda: None
    return {**found, **plan.finish(model, ends, measure, renew)}


def create_renewal(
    model: keras.Model, data: pipeline.TrainingInput, options: TrainingOptions
) -> statistics_renewal.StatisticsRenewal | None:
    """Returns what renews batch norm statistics, None if the options ask for none."""
    if not options.renew_batch_norm_statistics:
        return None
    return statistics_renewal.StatisticsRenewal(
        model,
        data,
        batch_size=options.batch_size,
        total_steps=options.total_steps,
    )


def _fit_momentum(model, options: TrainingOptions, steps: int):
    if not options.renew_batch_norm_statistics:
        return contextlib.nullcontext()
    return batch_norm_statistics.fitted_momentum(
        model, steps_per_epoch=options.steps_per_epoch, total_steps=steps
    )


def _train_stage(
    model, read, start, end, *, strategy, options, resume, callbacks, stopper, quiet
) -> float | None:
    """Takes the steps of a stage, epoch by epoch, or fewer if `stopper` says so.

    Returns:
        Accuracy of the batches of the last epoch, None without one.
    """
    per_epoch = options.steps_per_epoch
    accuracy = None
    for steps in split_at_epoch(start, end, per_epoch):
        if stopper and stopper.has_stopped():
            break
        make_dataset = functools.partial(
            read,
            global_batch_size=options.batch_size,
            total_steps=steps.stop,
            start_step=steps.start,
        )
        first = []
        if steps.start % per_epoch:
            first = [epoch_metrics.EpochMetrics(resume.checkpoint, resume.workers)]
        history = fit_steps(
            model,
            distribution.distribute(strategy, options.batch_size, make_dataset),
            steps,
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
