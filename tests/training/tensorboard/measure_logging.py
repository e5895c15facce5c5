"""What TensorBoard costs a run: its callbacks' time against that of the steps.

    python -m tests.training.tensorboard.measure_logging

Trains a ResNet14 with AdaFilter on batches of 32 of the bundled digits, in pairs of
epochs of the same steps, one with TensorBoard and one without, in turn. Validation
happens in both.
"""

import collections
import statistics
import sys
import tempfile
import time

import adafilter_tf.cli.startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
import tensorflow as tf

from adafilter_tf import evaluation, training
from adafilter_tf.cli import dataset, settings, training_settings, trial
from adafilter_tf.data import pipeline
from adafilter_tf.training.callbacks import validation
from adafilter_tf.training.tensorboard import (
    evaluation_images,
    event_writer,
    hparams,
    tensorboard_logger,
)

STEPS, PAIRS = 50, 5


class Timed(keras.callbacks.Callback):
    """Calls other callbacks and adds up how long they take."""

    def __init__(self, callbacks):
        super().__init__()
        self._callbacks = callbacks
        self.seconds = collections.Counter()

    def set_model(self, model):
        super().set_model(model)
        for callback in self._callbacks:
            callback.set_model(model)

    def _call(self, name, *arguments):
        started = time.perf_counter()
        for callback in self._callbacks:
            getattr(callback, name)(*arguments)
        self.seconds[name] += time.perf_counter() - started

    def on_train_begin(self, logs=None):
        self._call("on_train_begin", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._call("on_epoch_begin", epoch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._call("on_train_batch_end", batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._call("on_epoch_end", epoch, logs)

    def on_train_end(self, logs=None):
        self._call("on_train_end", logs)


class Epoch(keras.callbacks.Callback):
    """Times the steps of an epoch without the work at its end."""

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.started


def main(folder: str) -> None:
    """Prints the ratio of the callbacks' time to the steps' time."""
    values = trial.parse_flags(
        [
            "--dataset=digits",
            "--backbone=resnet14",
            "--crop_fraction=1",
            "--cache=decoded",
            "--examples_per_class=10",
            f"--steps_per_epoch={STEPS}",
            *sys.argv[1:],
        ]
    )
    splits = dataset.make_splits(values, dataset.load_source(values))
    model = settings.build_model(values, values.method, 10)
    data = settings.training_input(values, model, splits)
    score = evaluation.create_scorer(model, data.spec, batch_size=values.batch_size)
    plan = training_settings.make_plan(
        values, values.method, tf.distribute.get_strategy(), splits.train
    )
    training.compile_stage(model, plan, steps=1000, start_step=0)
    validate = validation.Validation(
        score, splits.validation, f"{folder}/start_gates.npz"
    )
    writer = event_writer.EventWriter(folder)
    logger = tensorboard_logger.TensorBoardLogger(
        writer, gate_statistics=lambda: validate.gate_statistics
    )
    logging = [
        logger,
        hparams.HyperParameters(writer, {"method": values.method}),
        evaluation_images.EvaluationImages(writer, validate, splits.validation),
    ]
    batches = pipeline.training_dataset(
        data, global_batch_size=values.batch_size, total_steps=STEPS
    )

    def fit(*callbacks):
        epoch = Epoch()
        model.fit(batches, verbose=0, callbacks=[epoch, validate, *callbacks])
        return epoch.seconds

    fit(Timed(logging))
    with_log, without = [], []
    shares = collections.defaultdict(list)
    for _ in range(PAIRS):
        timed = Timed(logging)
        without.append(fit())
        with_log.append(fit(timed))
        for name, seconds in timed.seconds.items():
            shares[name].append(seconds / without[-1])
    ratios = [a / b for a, b in zip(with_log, without, strict=True)]
    step = 1e3 * statistics.median(without) / STEPS
    print(f"step without TensorBoard: {step:.1f} ms")
    print(f"steps with / without:     {statistics.median(ratios):.4f}")
    for name, share in shares.items():
        print(f"{name}: {statistics.median(share):.4f} of the steps' time")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(folder)
