"""Accumulation, averages, rates by depth, early stopping: by hand and resumed."""

import keras
import numpy as np
import pytest

from adafilter_tf import errors, evaluation, training
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import adafilter
from adafilter_tf.models import graph
from adafilter_tf.optim import ema, losses, optimizers, stages
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import (
    checkpoint,
    early_stopping,
    stopwatch,
    validation,
)
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=1, crop_fraction=1.0)
STEPS = 8


def dense_model(**options):
    """Two dense layers, compiled for `options`; no batch norm, the same start."""
    keras.utils.set_random_seed(3)
    images = keras.Input((4,))
    hidden = keras.layers.Dense(5, "tanh", name="hidden")(images)
    model = keras.Model(images, keras.layers.Dense(3, name="head")(hidden))
    total = options.pop("total_steps")
    settings = optimizers.OptimizerOptions(
        "sgd", 0.5, 0.25, 0.1, weight_decay=0.1, warmup_fraction=0.25, **options
    )
    optimizer = optimizers.create_optimizer(settings, total_steps=total)
    training.compile_model(model, optimizer, jit_compile=False)
    return model


def batches(size):
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(32, 4)), np.eye(3)[rng.integers(0, 3, 32)]
    for start in range(0, 32, size):
        yield images[start : start + size], labels[start : start + size]


def test_accumulated_batches_are_one_large_batch():
    small = dense_model(total_steps=16, accumulation_steps=4)
    large = dense_model(total_steps=4)
    for batch in batches(2):
        small.train_on_batch(*batch)
    for batch in batches(8):
        large.train_on_batch(*batch)
    for one, other in zip(small.weights, large.weights, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=2e-6)
    assert optimizers.count_steps(small.optimizer) == 16


def test_average_of_accumulated_steps_decays_by_updates():
    """Steps without an update pull the average to the weights as one update would."""
    model = dense_model(total_steps=64, accumulation_steps=4, ema_decay=0.5)
    kernels = [model.get_layer("head").kernel.numpy()]
    for step, batch in enumerate(batches(2), 1):
        if step > 8:
            break
        model.train_on_batch(*batch)
        kernels.append(model.get_layer("head").kernel.numpy())
    assert np.array_equal(kernels[4], kernels[7])
    assert not np.array_equal(kernels[7], kernels[8])
    share = 0.5**0.25
    expected = share * kernels[4] + (1 - share) * kernels[8]
    with ema.averaged(model):
        kernel = model.get_layer("head").kernel.numpy()
    np.testing.assert_allclose(kernel, expected, rtol=1e-5)


def test_average_decays_and_leaves_the_weights_as_they_are():
    model = dense_model(total_steps=4, ema_decay=0.75)
    expected = None
    for batch in batches(8):
        model.train_on_batch(*batch)
        kernel = model.get_layer("head").kernel.numpy()
        expected = kernel if expected is None else 0.75 * expected + 0.25 * kernel
    own = model.get_weights()
    with ema.averaged(model):
        kernel = model.get_layer("head").kernel.numpy()
        np.testing.assert_allclose(kernel, expected, rtol=1e-5)
    for one, other in zip(own, model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_rate_falls_from_block_to_block():
    model = adafilter.build(tiny_resnet(), 3)
    options = optimizers.OptimizerOptions(
        "sgd", 0.4, 0.8, 0.01, warmup_fraction=0.0, layer_decay=0.5
    )
    optimizer = optimizers.create_optimizer(
        options, total_steps=10, blocks=graph.assign_blocks(model)
    )
    before = {w.path: w.numpy() for w in model.trainable_variables}
    optimizer.build(model.trainable_variables)
    ones = [np.ones(w.shape, "float32") for w in model.trainable_variables]
    optimizer.apply(ones, model.trainable_variables)
    # Nesterov's first step is 1.9 times the rate.
    for weight in model.trainable_variables:
        moved = (before[weight.path] - weight.numpy()).mean()
        if weight.path.startswith("recurrent_gate"):
            expected = 0.01  # Adam
        elif weight.path.startswith("head"):
            expected = 1.9 * 0.8
        else:
            expected = 1.9 * (0.2 if weight.path.startswith("stem") else 0.4)
        assert moved == pytest.approx(expected, rel=1e-3), weight.path


class Fake:
    """A model whose weights say the step."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = None

    def get_weights(self):
        return [np.array([self.step])]

    def set_weights(self, arrays):
        (self.restored,) = arrays[0]


def run_epochs(stopper, values, monkeypatch, start=0):
    model = Fake()
    stopper.set_model(model)
    monkeypatch.setattr(optimizers, "count_steps", lambda optimizer: model.step)
    for epoch, value in enumerate(values, 1):
        model.step = start + 10 * epoch
        stopper.on_epoch_end(epoch, {"val_loss": value, "val_accuracy": value})
        if model.stop_training:
            break
    return model


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize(
    ("monitor", "best", "last"),
    [("validation_loss", 20, 40), ("validation_accuracy", 10, 30)],
)
def test_stops_after_patience_with_the_best_weights(
    tmp_path, monkeypatch, monitor, best, last, on_disk
):
    stopper = early_stopping.EarlyStopping(monitor, 2, tmp_path if on_disk else None)
    stopper.begin(0)
    model = run_epochs(stopper, [0.5, 0.25, 0.5, 0.25, 0.1], monkeypatch)
    assert model.step == last
    assert stopper.restore(model) == {"best_step": best, "stopped_early": True}
    assert model.restored == best


def test_resume_before_the_best_epoch_forgets_it(tmp_path, monkeypatch):
    """The best of each kept checkpoint is still there."""
    checkpoints, folder = tmp_path / "checkpoints", tmp_path / "best"
    arguments = ("validation_loss", 3, folder, checkpoints)
    (checkpoints / "step_000000020").mkdir(parents=True)
    first = early_stopping.EarlyStopping(*arguments)
    first.begin(0)
    run_epochs(first, [0.5, 0.6, 0.1, float("nan")], monkeypatch)
    assert sorted(path.name for path in folder.glob("*.npz")) == [
        "step_000000010.npz",
        "step_000000030.npz",
    ]
    second = early_stopping.EarlyStopping(*arguments)
    second.begin(20)
    assert not second.has_stopped()
    model = run_epochs(second, [0.7, 0.7, 0.1], monkeypatch, start=20)
    assert model.step == 40  # the third epoch after step 10 without a better loss
    assert second.restore(model)["best_step"] == 10
    assert model.restored == 10


@pytest.mark.parametrize("text", ["", "[[10, 0.5], [2", "[1]", '{"a": 1}', "null"])
def test_damaged_history_is_named(tmp_path, text):
    (tmp_path / "history.json").write_text(text)
    stopper = early_stopping.EarlyStopping("validation_loss", 2, tmp_path)
    with pytest.raises(errors.RunError, match="history.json cannot be read"):
        stopper.begin(10)


def test_lost_history_and_lost_weights_are_named(tmp_path, monkeypatch):
    stopper = early_stopping.EarlyStopping("validation_loss", 2, tmp_path)
    stopper.begin(0)
    model = run_epochs(stopper, [0.5], monkeypatch)
    (tmp_path / "step_000000010.npz").unlink()
    with pytest.raises(errors.RunError, match="step_000000010.npz"):
        stopper.restore(model)
    (tmp_path / "history.json").unlink()
    stopper.begin(10)
    with pytest.raises(errors.RunError, match="history.json is missing"):
        stopper.restore(model)


def fit(few_digits, folder, resume, callbacks=()):
    """Everything at once: accumulation, average, depth, weights, early stopping."""
    keras.utils.set_random_seed(1)
    model = adafilter.build(tiny_resnet(channels=1), 10, gate_units=4)
    score = evaluation.create_scorer(model, SPEC, batch_size=8)
    stopper = early_stopping.EarlyStopping(
        "validation_loss", 9, folder / "best", folder
    )

    plan = training.TrainingPlan(
        stages.train_all(),
        optimizers.OptimizerOptions(
            "sgd", 0.1, 0.1, ema_decay=0.5, accumulation_steps=3, layer_decay=0.5
        ),
        losses.create_loss([1.0] * 9 + [2.0], 0.1),
    )
    options = training.TrainingOptions(4, 2, 8, log_every=50)
    found = training.Trainer(model, options, score=score, quiet=True).fit(
        pipeline.TrainingInput(few_digits, SPEC, seed=3),
        plan,
        callbacks=[
            validation.Validation(score, few_digits.validation, None),
            stopper,
            *callbacks,
        ],
        stopper=stopper,
        resume=resume,
    )
    return model, found


def test_resume_at_any_step_ends_with_the_same_weights(few_digits, tmp_path):
    info = checkpointing.CheckpointInfo(0, "adafilter", 10, 0.0)
    often = checkpoint.CheckpointOptions(checkpoint_steps=1, keep_checkpoints=9)
    keep = checkpoint.Checkpoint(tmp_path, info, stopwatch.Stopwatch(), often)
    whole, found = fit(
        few_digits, tmp_path, training.ResumePoint(stage_ends=tmp_path), [keep]
    )
    assert found["best_step"] in (2, 4, 6, 8)
    for step in (1, 4, 7):
        path = tmp_path / f"step_{step:09d}"
        resume = training.ResumePoint(path, step, tmp_path)
        resumed, again = fit(few_digits, tmp_path, resume)
        assert again == found
        for one, other in zip(whole.weights, resumed.weights, strict=True):
            assert np.array_equal(one.numpy(), other.numpy()), (step, one.path)
