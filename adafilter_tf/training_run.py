"""One training run in its folder: from splits to a saved model and its metrics."""

import keras

from adafilter_tf import checkpointing, evaluation, model_file, run_dir, training
from adafilter_tf.callbacks import (
    checkpoint,
    finite_loss,
    stopwatch,
    tensorboard,
    validation,
)
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data.examples import Splits


def train(
    model: keras.Model,
    splits: Splits,
    folder: run_dir.RunDir,
    procedure: training.Procedure,
    *,
    method: str,
    image_options: dict,
    options: training.TrainingOptions,
    augmentation: augmentation_lib.Augmentation,
    report: dict,
) -> dict:
    """Trains, saves the model, scores it on test and writes the metrics.

    Args:
        model: Made in its strategy's scope.
        splits: Train, validation and test examples.
        folder: Of the run; a checkpoint found there is resumed.
        procedure: Stages of the training.
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
    path, info = checkpointing.find_checkpoint(
        folder.checkpoints, method=method, num_classes=num_classes
    ) or (None, checkpointing.CheckpointInfo(0, method, num_classes, 0.0))
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
    finished = training.fit(
        model,
        splits,
        procedure,
        score=score,
        image_options=image_options,
        options=options,
        augmentation=augmentation,
        callbacks=callbacks,
        progress=training.Progress(path, info.step, folder.checkpoints),
    )
    model_file.save_model(model, folder.model)
    metrics = {
        **report,
        "num_classes": num_classes,
        "num_train_examples": len(splits.train),
        "steps": options.total_steps,
        "train_seconds": clock.seconds,
        "steps_per_second": options.total_steps / clock.seconds,
        **training.count_parameters(model),
        **finished,
        **training.measure_split(score, splits.validation, "validation"),
        **training.measure_split(score, splits.test, "test"),
    }
    run_dir.write_json(folder.metrics, metrics)
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
