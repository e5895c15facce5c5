"""Trains a compiled model from whatever checkpoint is there to the last step."""

import dataclasses
import os
import re
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf import checkpointing, errors, evaluation, run_dir
from adafilter_tf.callbacks import (
    checkpoint,
    finite_loss,
    gate_statistics,
    stopwatch,
    tensorboard,
    validation,
)
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data import pipeline
from adafilter_tf.data.examples import Examples, Splits


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
    """

    epochs: int
    steps_per_epoch: int
    batch_size: int
    seed: int
    cache: str
    log_every: int

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch


def compile_model(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, jit_compile: bool
) -> None:
    """Compiles a classifier for one-hot labels, which MixUp needs.

    Args:
        model: Pixels to logits [B, K].
        optimizer: See `optimization.create_optimizer`.
        jit_compile: Whether XLA compiles the training step.
    """
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=jit_compile,
    )


def train(
    model: keras.Model,
    splits: Splits,
    folder: run_dir.RunDir,
    *,
    method: str,
    image_options: dict,
    options: TrainingOptions,
    augmentation: augmentation_lib.Augmentation,
    report: dict,
) -> dict:
    """Trains, saves the model, scores it on test and writes the metrics.

    Args:
        model: Compiled model, made in its strategy's scope.
        splits: Train, validation and test examples.
        folder: Of the run; a checkpoint found there is resumed.
        method: Name that the checkpoints carry.
        image_options: `image_size`, `channels` and `crop_fraction`.
        options: Length and batches.
        augmentation: Of the training images.
        report: Further entries of the metrics.

    Returns:
        The metrics, as written to `folder.metrics`.

    Raises:
        RunError: When the loss is not finite or a checkpoint is of another run.
    """
    num_classes = len(splits.train.class_names)
    folder.root.mkdir(parents=True, exist_ok=True)
    info = checkpointing.restore_checkpoint(
        folder.checkpoints, model, method=method, num_classes=num_classes
    ) or checkpointing.CheckpointInfo(0, method, num_classes, 0.0)
    score = evaluation.create_scorer(
        model, **image_options, batch_size=options.batch_size
    )
    clock = stopwatch.Stopwatch(info.train_seconds)
    callbacks = _create_callbacks(
        folder,
        clock,
        info,
        validation.Validation(score, splits.validation, folder.start_gates),
        log_every=options.log_every,
    )
    dataset = pipeline.training_dataset(
        splits.train,
        **image_options,
        global_batch_size=options.batch_size,
        total_steps=options.total_steps,
        start_step=info.step,
        seed=options.seed,
        augmentation=augmentation,
        cache=options.cache,
    )
    _fit(model, dataset, options, info.step, callbacks)
    _save(model, folder)
    metrics = {
        **report,
        "num_classes": num_classes,
        "num_train_examples": len(splits.train),
        "steps": options.total_steps,
        "train_seconds": clock.seconds,
        "steps_per_second": options.total_steps / clock.seconds,
        "trainable_parameters": sum(
            int(np.prod(variable.shape)) for variable in model.trainable_variables
        ),
        **measure_split(score, splits.validation, "validation"),
        **measure_split(score, splits.test, "test"),
    }
    run_dir.write_json(folder.metrics, metrics)
    return metrics


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
    outputs = score(examples.paths)
    metrics = {
        f"{split}_{name}": value
        for name, value in evaluation.measure(outputs.logits, examples.labels).items()
    }
    if outputs.gates and split == "test":
        statistics = gate_statistics.gate_statistics(outputs.gates)
        metrics["tuned_fraction"] = statistics.tuned_fraction
        metrics["tuned_fraction_per_layer"] = statistics.tuned_fraction_per_layer
        metrics["image_dependent_fraction"] = statistics.image_dependent_fraction
    return metrics


def _create_callbacks(
    folder: run_dir.RunDir,
    clock: stopwatch.Stopwatch,
    info: checkpointing.CheckpointInfo,
    validate: validation.Validation,
    *,
    log_every: int,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks in the order in which they see the end of an epoch.

    The clock stops first; what is not finite ends the run before it is saved; the
    validation's results are there for those that write them down.
    """
    return [
        clock,
        finite_loss.FiniteLoss(),
        validate,
        tensorboard.TensorBoardLogger(
            str(folder.tensorboard),
            gate_statistics=lambda: validate.gate_statistics,
            log_every=log_every,
        ),
        checkpoint.Checkpoint(folder.checkpoints, info, clock),
    ]


def _fit(
    model: keras.Model,
    dataset: tf.data.Dataset,
    options: TrainingOptions,
    start_step: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    if start_step:
        logging.info("Resuming at step %d of %d.", start_step, options.total_steps)
    if start_step >= options.total_steps:
        return
    try:
        model.fit(
            dataset,
            epochs=options.epochs,
            steps_per_epoch=options.steps_per_epoch,
            initial_epoch=start_step // options.steps_per_epoch,
            callbacks=callbacks,
            shuffle=False,  # the data set's order is its own
            # A bar that redraws itself would fill a log file with its frames.
            verbose=1 if sys.stdout.isatty() else 2,
        )
    except tf.errors.NotFoundError as error:
        missing = re.search(r"([^\n{}]+); No such file", str(error))
        if missing is None:
            raise
        raise errors.RunError(
            f"The image {missing.group(1).strip()} was there when the run began and is "
            "gone; put it back and give the same command again: it goes on from the "
            "last checkpoint."
        ) from error


def _save(model: keras.Model, folder: run_dir.RunDir) -> None:
    # A model of the same layers, so that the file holds no optimizer.
    temporary = folder.model.with_name("writing.keras")
    keras.Model(model.input, model.output, name=model.name).save(temporary)
    os.replace(temporary, folder.model)
