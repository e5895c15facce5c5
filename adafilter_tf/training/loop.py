"""Trains a model, stage by stage, from any step to the last one."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf import distribution, errors, evaluation
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.distribution import keras_multi_worker
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.models import batch_norm_statistics
from adafilter_tf.optim import ema, losses, stages
from adafilter_tf.training import (
    checkpointing,
    feature_cache,
    statistics_renewal,
    training_epochs,
)
from adafilter_tf.training.callbacks import early_stopping, epoch_metrics


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How long and on what batches a run trains.

    Attributes:
        epochs: Number of epochs.
        steps_per_epoch: Steps between two validations and checkpoints.
        batch_size: Examples per step over all replicas.
        seed: Of order and augmentation.
        cache: See `pipeline.training_dataset`.
        log_every: Steps between two points of TensorBoard's batch curve.
        cache_frozen_features: See `feature_cache.cache`.
        renew_batch_norm_statistics: Whether momenta are fitted to the length of the
            training and statistics re-estimated for the final weights.
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    seed: int
    cache: str
    log_every: int
    cache_frozen_features: bool = False
    renew_batch_norm_statistics: bool = True

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch


@dataclasses.dataclass(frozen=True)
class Procedure:
    """How a model is trained, whatever the method.

    Attributes:
        stages: Parts of the training.
        compile: (model, *, steps, start_step) that compiles it for the stage that has
            `steps` steps after `start_step` earlier ones.
        finish: See `methods.Method`; None leaves the weights of the last step.
    """

    stages: tuple[stages.Stage, ...]
    compile: Callable[..., None]
    finish: Callable[..., dict] | None = None


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a training stands and where it keeps what it needs to go on.

    Attributes:
        checkpoint: Folder of the checkpoint to start from; None starts at step 0.
        step: Of that checkpoint.
        stage_ends: Folder for the weights at the end of stages; None keeps none.
        workers: Of the run; the chief reads and writes these files.
    """

    checkpoint: pathlib.Path | None = None
    step: int = 0
    stage_ends: pathlib.Path | None = None
    workers: workers_lib.Workers = workers_lib.ALONE


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
        optimizer: See `optimization.create_optimizer`.
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
    splits: Splits,
    procedure: Procedure,
    *,
    score: Callable[..., evaluation.Outputs],
    image_options: dict,
    options: TrainingOptions,
    augmentation: augmentation_lib.Augmentation,
    callbacks: Sequence[keras.callbacks.Callback],
    stopper: early_stopping.EarlyStopping | None = None,
    progress: Progress = Progress(),  # noqa: B008 - frozen
    renewal: statistics_renewal.StatisticsRenewal | None = None,
    quiet: bool = False,
) -> dict:
    """Trains a model stage by stage and lets its method finish the weights.

    Args:
        model: Made in its strategy's scope.
        splits: Train and validation are used.
        procedure: Stages of the training.
        score: Made by `evaluation.create_scorer`; for `procedure.finish`.
        image_options: `image_size`, `channels` and `crop_fraction`.
        options: Length and batches.
        augmentation: Of the training images.
        callbacks: Of every stage.
        stopper: One of the callbacks, which takes part in the last stage.
        progress: Where to start.
        renewal: Gives the final weights batch norm statistics; None for one made here,
            if `options` asks for it.
        quiet: Whether nothing is printed meanwhile.

    Returns:
        What `stopper` and `procedure.finish` found out; `last_epoch_accuracy`, of the
        batches of the last epoch in training mode, if this call trained one.

    Raises:
        RunError: When the loss is not finite or an image is gone.
        UsageError: When there are fewer epochs than stages, or no frozen features.
    """
    ends, start, parts, found = [], 0, procedure.stages, {}
    accuracy = None
    if options.cache_frozen_features and len(parts) > 1:
        raise errors.UsageError(
            "Received --cache_frozen_features for a method of several stages, each "
            "with other frozen layers; leave it out."
        )
    checkpoint = progress.checkpoint
    renewal = renewal or create_renewal(model, splits.train, image_options, options)
    for index, count in enumerate(stages.list_epochs(parts, options.epochs)):
        end = start + count * options.steps_per_epoch
        if progress.step > end:
            path = progress.stage_ends / f"stage_{index}.npz"
            load = functools.partial(checkpointing.load_arrays, path)
            ends.append(progress.workers.ask_chief(load))
            start = end
            continue
        parts[index].begin(model)
        momentum = _fit_momentum(model, options, end - start)
        trained, read = feature_cache.prepare(
            model, splits.train, image_options, options, augmentation
        )
        procedure.compile(trained, steps=end - start, start_step=start)
        if checkpoint is not None:
            checkpointing.load_checkpoint(checkpoint, trained, progress.workers)
            checkpoint = None
            logging.info(
                "Resuming at step %d of %d.", progress.step, options.total_steps
            )
            start = progress.step
        stops = stopper if index + 1 == len(parts) else None
        if stops:
            stops.begin(start)
        with momentum:
            accuracy = _train_stage(
                trained,
                functools.partial(read, seed=options.seed),
                start,
                end,
                strategy=model.distribute_strategy,
                options=options,
                progress=progress,
                callbacks=callbacks,
                stopper=stops,
                quiet=quiet,
            )
        if stops:
            found = stops.restore(trained)
        else:
            ema.apply_average(trained)
        renewal and renewal.renew()
        if index + 1 < len(parts):
            ends.append(model.get_weights())
            if progress.stage_ends is not None:
                path = progress.stage_ends / f"stage_{index}.npz"
                save = functools.partial(checkpointing.save_arrays, path, ends[-1])
                progress.workers.ask_chief(save)
        start = end
    if accuracy is not None:
        found = {**found, "last_epoch_accuracy": accuracy}
    if procedure.finish is None:
        return found

    def measure() -> dict:
        labels = splits.validation.labels
        return evaluation.measure(score(splits.validation.paths).logits, labels)

    renew = renewal.renew if renewal else lambda: None
    return {**found, **procedure.finish(model, ends, measure, renew)}


def create_renewal(
    model: keras.Model,
    examples: Examples,
    image_options: dict,
    options: TrainingOptions,
) -> statistics_renewal.StatisticsRenewal | None:
    """Returns what renews batch norm statistics, None if the options ask for none."""
    if not options.renew_batch_norm_statistics:
        return None
    return statistics_renewal.StatisticsRenewal(
        model,
        examples,
        image_options=image_options,
        batch_size=options.batch_size,
        total_steps=options.total_steps,
        seed=options.seed,
    )


def _fit_momentum(model, options: TrainingOptions, steps: int):
    if not options.renew_batch_norm_statistics:
        return contextlib.nullcontext()
    return batch_norm_statistics.fitted_momentum(
        model, steps_per_epoch=options.steps_per_epoch, total_steps=steps
    )


def _train_stage(
    model, read, start, end, *, strategy, options, progress, callbacks, stopper, quiet
) -> float | None:
    """Takes the steps of a stage, epoch by epoch, or fewer if `stopper` says so.

    Returns:
        Accuracy of the batches of the last epoch, None without one.
    """
    per_epoch = options.steps_per_epoch
    accuracy = None
    for steps in training_epochs.split_at_epoch(start, end, per_epoch):
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
            first = [epoch_metrics.EpochMetrics(progress.checkpoint, progress.workers)]
        history = training_epochs.fit_steps(
            model,
            distribution.distribute(strategy, options.batch_size, make_dataset),
            steps,
            steps_per_epoch=per_epoch,
            callbacks=[*first, *callbacks],
            quiet=quiet,
        )
        accuracy = float(history.history["accuracy"][-1])
    return accuracy


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
    metrics = {
        f"{split}_{name}": value
        for name, value in evaluation.measure(outputs.logits, labels).items()
    }
    if outputs.gates and split == "test" and np.isfinite(metrics["test_loss"]):
        statistics = gate_statistics.gate_statistics(outputs.gates)
        metrics["tuned_fraction"] = statistics.tuned_fraction
        metrics["tuned_fraction_per_layer"] = statistics.tuned_fraction_per_layer
        metrics["image_dependent_fraction"] = statistics.image_dependent_fraction
    return metrics
