r"""Accuracy on training images in batch mode and in inference mode, renewed or not.

    python -m tools.benchmarks.batch_norm_statistics \
        --flags="--dataset=folder:PATH --backbone=efficientnetlite0 --image_size=96" \
        --methods=fine_tuning,adafilter --steps=20,100,300

Each line is one training: steps, method, whether statistics were renewed; accuracy on
training images with the statistics of their batches and with the model's own, test
accuracy; seconds of training steps and of one renewal, its tracing included and not.
"""

import contextlib
import dataclasses
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from adafilter_tf import evaluation, training
from adafilter_tf.cli import dataset, settings, training_settings, trial
from adafilter_tf.data import augmentation, pipeline
from adafilter_tf.models import batch_norm_statistics
from adafilter_tf.training.callbacks import stopwatch

_FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of this tool."""
    flags.DEFINE_string("flags", "", "Flags of the trainings, separated by blanks.")
    flags.DEFINE_list("methods", ["fine_tuning"], "Methods.")
    flags.DEFINE_list("steps", ["20", "100", "300"], "Lengths of training, in steps.")
    flags.DEFINE_list("renew", ["yes", "no"], "With and without renewal.")
    flags.DEFINE_boolean(
        "randomize", False, "Give the backbone random statistics and batch norm gains."
    )


def measure(arguments: list[str], *, randomize: bool = False) -> dict[str, float]:
    """Trains once and returns accuracies (0..1) and seconds.

    Args:
        arguments: Flags of the run, each "--name=value".
        randomize: Whether the batch norms start with random statistics and gains.
    """
    keras.backend.clear_session(free_memory=True)
    values = trial.parse_flags(arguments)
    keras.utils.set_random_seed(values.seed)
    splits = dataset.make_splits(values, dataset.load_source(values))
    model = settings.build_model(values, values.method, len(splits.train.class_names))
    if randomize:
        _randomize(model)
    data = settings.training_input(values, model, splits)
    score = evaluation.create_scorer(model, data.spec, batch_size=values.batch_size)
    options = settings.training_options(values, len(splits.train))
    clock = stopwatch.Stopwatch()
    found = training.Trainer(model, options, score=score, quiet=True).fit(
        data,
        training_settings.make_plan(
            values, values.method, tf.distribute.get_strategy(), splits.train
        ),
        callbacks=[clock],
    )
    result = {
        "training_mode": found["last_epoch_accuracy"],
        "batch": _measure_batch_mode(model, data, options),
        "inference": training.measure_split(score, splits.train, "train")[
            "train_accuracy"
        ],
        "test": training.measure_split(score, splits.test, "test")["test_accuracy"],
        "train_seconds": clock.seconds,
    }
    renewal = training.create_renewal(model, data, options)
    for name in ("first_renewal_seconds", "renewal_seconds"):
        start = time.monotonic()
        if renewal:
            renewal.renew()
        result[name] = time.monotonic() - start
    return result


def _measure_batch_mode(model, data, options) -> float:
    """Returns the accuracy on whole batches of training images, without dropout."""
    layers = batch_norm_statistics.list_training(model)
    batches = pipeline.training_dataset(
        dataclasses.replace(data, augmentation=augmentation.Augmentation()),
        global_batch_size=options.batch_size,
        total_steps=max(1, len(data.splits.train) // options.batch_size),
    )

    @tf.function
    def predict(pixels):
        with contextlib.ExitStack() as stack:
            for layer in layers:
                # Statistics stay as they are.
                stack.enter_context(batch_norm_statistics.batch_mode(layer, 1.0))
            return model(pixels, training=False)

    correct = [
        np.argmax(predict(pixels), 1) == np.argmax(labels, 1)
        for pixels, labels in batches
    ]
    return float(np.mean(np.concatenate(correct)))


def _randomize(model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    for layer in batch_norm_statistics.list_training(model):
        for variable in layer.weights:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))


def main(argv: list[str]) -> None:
    """Prints a table."""
    del argv
    print("steps  method            renewed  accuracy in %: training / batch / "
          "inference / test   seconds: training / first renewal / renewal")  # fmt: skip
    for steps in map(int, _FLAGS.steps):
        for method in _FLAGS.methods:
            for renew in _FLAGS.renew:
                found = measure(
                    [
                        *_FLAGS.flags.split(),
                        f"--method={method}",
                        f"--epochs={max(1, steps // 20)}",
                        f"--steps_per_epoch={min(20, steps)}",
                        f"--renew_batch_norm_statistics={renew == 'yes'}",
                    ],
                    randomize=_FLAGS.randomize,
                )
                shares = "training_mode", "batch", "inference", "test"
                times = "train_seconds", "first_renewal_seconds", "renewal_seconds"
                print(
                    f"{steps:5}  {method:16}  {renew:7}  ",
                    " / ".join(f"{100 * found[name]:.1f}" for name in shares),
                    "  ",
                    " / ".join(f"{found[name]:.1f}" for name in times),
                    flush=True,
                )


if __name__ == "__main__":
    define_flags()
    app.run(main)
