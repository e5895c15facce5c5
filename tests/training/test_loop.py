"""Stages, in one go and resumed in each of them."""

import dataclasses

import keras
import numpy as np
import pytest

from adafilter_tf import evaluation, training
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import fine_tuning
from adafilter_tf.models import batch_norm_statistics
from adafilter_tf.optim import optimizers, stages
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import checkpoint, stopwatch
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=1, crop_fraction=1.0)
OPTIONS = training.TrainingOptions(
    epochs=4, steps_per_epoch=2, batch_size=8, log_every=50
)


def train_head(model):
    for layer in model.layers:
        layer.trainable = layer.name == "head"


def train_everything(model):
    for layer in model.layers:
        layer.trainable = True


TWO_STAGES = (
    stages.Stage("probe", 0.5, train_head),
    stages.Stage("tune", 0.5, train_everything),
)


OPTIMIZER = optimizers.OptimizerOptions("sgd", 0.1, 0.1, 0.01, 0.0, 0.0)


def fit(
    few_digits,
    *,
    finish=None,
    callbacks=(),
    resume=None,
    parts=TWO_STAGES,
    optimizer=OPTIMIZER,
    momentum=0.9,
    **options,
):
    keras.utils.set_random_seed(1)
    model = fine_tuning.build(tiny_resnet(channels=1), 10)
    for layer in batch_norm_statistics.list_training(model):
        layer.momentum = momentum
    trainer = training.Trainer(
        model,
        dataclasses.replace(OPTIONS, **options),
        score=evaluation.create_scorer(model, SPEC, batch_size=8),
    )
    found = trainer.fit(
        pipeline.TrainingInput(few_digits, SPEC, seed=3),
        training.TrainingPlan(parts, optimizer, finish=finish),
        callbacks=callbacks,
        resume=resume or training.ResumePoint(),
    )
    return model, found


class Steps(keras.callbacks.Callback):
    """Notes the step and the stem's kernel at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.kernels = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.steps.append(optimizers.count_steps(self.model.optimizer))
        self.kernels.append(self.model.get_layer("stem_conv").kernel.numpy())


def test_stages_train_what_they_say_and_steps_go_on(few_digits):
    notes = Steps()
    model, _ = fit(few_digits, callbacks=[notes])
    assert notes.steps == [2, 4, 6, 8]
    assert np.array_equal(notes.kernels[0], notes.kernels[1])
    assert not np.array_equal(notes.kernels[1], notes.kernels[2])
    assert all(layer.trainable for layer in model.layers)


def test_finish_sees_the_ends_of_the_stages_and_leaves_its_weights(few_digits):
    seen = {}

    def finish(model, ending):
        seen["ends"], seen["tuned"] = ending.stage_ends, model.get_weights()
        seen["metrics"] = ending.measure()
        model.set_weights(ending.stage_ends[0])
        return {"share": 0.0}

    model, found = fit(few_digits, finish=finish)
    assert found["share"] == 0.0
    assert len(seen["ends"]) == 1
    assert seen["metrics"]["examples"] == len(few_digits.validation)
    for left, end in zip(model.get_weights(), seen["ends"][0], strict=True):
        assert np.array_equal(left, end)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(seen["tuned"], seen["ends"][0], strict=True)
    )


@pytest.fixture(scope="module")
def whole(few_digits, tmp_path_factory):
    """A training in one go: its folder with every checkpoint, and its weights."""
    folder = tmp_path_factory.mktemp("whole")
    info = checkpointing.CheckpointInfo(0, "fine_tuning", 10, 0.0)
    often = checkpoint.CheckpointOptions(checkpoint_steps=1, keep_checkpoints=9)
    keep = checkpoint.Checkpoint(folder, info, stopwatch.Stopwatch(), often)
    return folder, *fit_with_ends(
        few_digits, callbacks=[keep], resume=training.ResumePoint(stage_ends=folder)
    )


def fit_with_ends(few_digits, **options):
    """Returns the weights at the end, and those at the end of the first stage."""
    ends = []

    def finish(model, ending):
        ends.append(ending.stage_ends[0])
        return {}

    model, _ = fit(few_digits, finish=finish, **options)
    return model.get_weights(), ends[0]


# In each stage, at its last step, and after the end; most trainings go to step 8.
@pytest.mark.parametrize("step", [1, 4, 5, 8])
def test_resume_at_any_step_ends_with_the_same_weights(few_digits, whole, step):
    folder, *expected = whole
    resume = training.ResumePoint(folder / f"step_{step:09d}", step, folder)
    resumed = fit_with_ends(few_digits, resume=resume)
    for one, other in zip(expected, resumed, strict=True):
        for x, y in zip(one, other, strict=True):
            assert np.array_equal(x, y)


@pytest.mark.parametrize(("renew", "fits"), [(True, True), (False, False)])
def test_inference_computes_what_was_trained(few_digits, renew, fits):
    """With the momentum of Keras' MobileNet, which eight steps hardly move."""
    model, _ = fit(
        few_digits,
        parts=stages.train_all(),
        momentum=0.999,
        renew_batch_norm_statistics=renew,
    )
    (images, _), *_ = pipeline.training_dataset(
        pipeline.TrainingInput(few_digits, SPEC),
        global_batch_size=len(few_digits.train),
        total_steps=1,
    )
    inferred = keras.ops.softmax(model(images, training=False))
    trained = keras.ops.softmax(model(images, training=True))
    difference = float(keras.ops.max(keras.ops.abs(inferred - trained)))
    assert (difference < 0.05) == fits, difference


def test_momentum_is_fitted_for_the_training_alone(few_digits):
    class Momenta(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.extend(
                x.momentum for x in batch_norm_statistics.list_training(self.model)
            )

    seen = []
    model, _ = fit(
        few_digits,
        parts=stages.train_all(),
        momentum=0.99,
        callbacks=[Momenta()],
    )
    assert seen == 4 * [0.5]
    layers = batch_norm_statistics.list_training(model)
    assert [layer.momentum for layer in layers] == 4 * [0.99]


def test_fixed_batch_norms_keep_their_statistics_and_train_their_terms(few_digits):
    def read(model):
        return [
            [np.asarray(x).copy() for x in (y.moving_mean, y.moving_variance, y.gamma)]
            for y in batch_norm_statistics.list_training(model)
        ]

    class Start(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            start.extend(read(self.model))

    start = []
    model, _ = fit(
        few_digits,
        parts=stages.train_all(),
        # Statistics of other images: high rates diverge.
        optimizer=optimizers.scale_rates(OPTIMIZER, 0.01),
        batch_norm="fixed",
        callbacks=[Start()],
    )
    assert len(start) == 4
    for before, after in zip(start, read(model), strict=True):
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_array_equal(after[1], before[1])
        assert np.abs(after[2] - before[2]).max() > 1e-6
