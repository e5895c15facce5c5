import keras
import numpy as np
import pytest

from adafilter_tf import layers
from adafilter_tf.methods import spottune
from adafilter_tf.models import batch_norm_statistics, gate_io, gating
from tests.conftest import random_images, tiny_resnet


def norm_alone(**options):
    inputs = keras.Input((2,))
    norm = keras.layers.BatchNormalization(name="norm", **options)
    return keras.Model(inputs, norm(inputs))


def gated_norm_alone(**options):
    inputs = keras.Input((2,)), keras.Input((2,)), keras.Input((2,))
    norm = layers.GatedBatchNormalization(name="norm", **options)
    return keras.Model(inputs, norm(*inputs))


def batches(*arrays):
    """Two batches of three images of two channels."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(np.stack(arrays))


FIRST = np.array([[0, 10], [1, 20], [5, 60]], "float32")
SECOND = np.array([[4, 0], [4, 1], [7, 2]], "float32")
MEANS = [(2 + 5) / 2, (30 + 1) / 2]
VARIANCES = [(14 / 3 + 2) / 2, (1400 / 3 + 2 / 3) / 2]


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999, 1.0])
def test_statistics_are_the_mean_of_those_of_the_batches(momentum):
    model = norm_alone(momentum=momentum)
    assert batch_norm_statistics.renew(model, batches(FIRST, SECOND)) == 1
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.moving_mean, MEANS, rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, VARIANCES, rtol=1e-6)
    assert norm.momentum == momentum


def test_second_renewal_forgets_the_first():
    model = norm_alone()
    renewal = batch_norm_statistics.StatisticsRenewal(model)
    renewal.renew(batches(FIRST + 100, SECOND))
    renewal.renew(batches(FIRST, SECOND))
    np.testing.assert_allclose(model.get_layer("norm").moving_mean, MEANS, rtol=1e-6)


@pytest.mark.parametrize("frozen", ["fixed", "adapting"])
def test_tuned_branch_is_renewed_and_the_frozen_one_if_it_adapts(frozen):
    model = gated_norm_alone(frozen_statistics=frozen)
    gates = np.zeros_like(FIRST)
    data = batches(FIRST, SECOND).map(lambda x: ((x + 1, x, gates),))
    batch_norm_statistics.renew(model, data)
    norm = model.get_layer("norm")
    np.testing.assert_allclose(norm.tuned_moving_mean, MEANS, rtol=1e-6)
    np.testing.assert_allclose(norm.tuned_moving_variance, VARIANCES, rtol=1e-6)
    expected = np.add(MEANS, 1) if frozen == "adapting" else [0, 0]
    np.testing.assert_allclose(norm.frozen_moving_mean, expected, rtol=1e-6)


def test_norm_that_does_not_train_keeps_its_statistics():
    model = norm_alone()
    model.get_layer("norm").trainable = False
    assert batch_norm_statistics.renew(model, batches(FIRST)) == 0
    assert np.array_equal(model.get_layer("norm").moving_mean, [0, 0])


def test_everything_else_computes_as_at_inference():
    """Dropout of nine tenths would change the mean of what follows."""
    inputs = keras.Input((2,))
    dropout = keras.layers.Dropout(0.9, seed=0)
    outputs = keras.layers.BatchNormalization(name="norm")(dropout(inputs))
    model = keras.Model(inputs, outputs)
    state = dropout.seed_generator.state.numpy()
    batch_norm_statistics.renew(model, batches(FIRST, SECOND))
    np.testing.assert_allclose(model.get_layer("norm").moving_mean, MEANS, rtol=1e-6)
    assert np.array_equal(dropout.seed_generator.state, state)


@pytest.mark.parametrize("gated", [False, True])
def test_inference_then_equals_batch_mode(gated):
    images = random_images(16, 8, 8, 3)
    model = gating.add_gates(tiny_resnet()) if gated else tiny_resnet()
    expected = np.asarray(model(images, training=True))
    assert batch_norm_statistics.renew(model, images) == 4
    np.testing.assert_allclose(model(images, training=False), expected, atol=1e-5)


def test_model_stays_as_it_was_but_for_the_statistics():
    model = gating.add_gates(tiny_resnet())
    statistics = {x.path for x in batch_norm_statistics.list_statistics(model)}
    before = {x.path: x.numpy() for x in model.variables}
    batch_norm_statistics.renew(model, random_images(4, 8, 8, 3))
    changed = {x.path for x in model.variables if (x.numpy() != before[x.path]).any()}
    assert changed == statistics
    assert gate_io.list_gates(model)  # a layer with two outputs has none
    assert "call" not in vars(model.get_layer("stem_bn"))


def test_old_statistics_are_back_after_the_context():
    model = tiny_resnet()
    before = model.get_weights()
    renewal = batch_norm_statistics.StatisticsRenewal(model)
    with renewal.renewed(random_images(4, 8, 8, 3)):
        assert any(
            (new != old).any()
            for new, old in zip(model.get_weights(), before, strict=True)
        )
    for new, old in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(new, old)


@pytest.mark.parametrize(
    ("own", "steps_per_epoch", "total_steps", "fitted"),
    [
        (0.99, 30, 300, 0.9),  # a third of an epoch
        (0.999, 100, 100, 0.9),  # a tenth of the training
        (0.99, 50, 1000, 1 - 3 / 50),
        (0.9, 50, 200, 0.9),  # forgets faster already
        (0.99, 1, 20, 0.5),  # at least two steps
    ],
)
def test_momentum_spans_a_part_of_the_training(
    own, steps_per_epoch, total_steps, fitted
):
    model = norm_alone(momentum=own)
    with batch_norm_statistics.fitted_momentum(
        model, steps_per_epoch=steps_per_epoch, total_steps=total_steps
    ):
        assert model.get_layer("norm").momentum == pytest.approx(fitted)
    assert model.get_layer("norm").momentum == own


def test_contexts_of_two_replicas_may_overlap():
    """A mirrored strategy begins to trace the second before it has ended the first."""
    layer = keras.layers.BatchNormalization()
    images = random_images(4, 8, 8, 3)
    inference = np.asarray(layer(images, training=False))
    first = batch_norm_statistics.batch_mode(layer, 0.5)
    second = batch_norm_statistics.batch_mode(layer, 0.5)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert layer.momentum == 0.5
    assert np.abs(np.asarray(layer(images, training=False)) - inference).max() > 0.01
    second.__exit__(None, None, None)
    assert layer.momentum == 0.99 and "call" not in vars(layer)
    assert not batch_norm_statistics._INSIDE


@pytest.mark.parametrize("make", [norm_alone, gated_norm_alone])
def test_fixed_batch_norms_train_as_they_infer(make):
    model = make()
    norm = model.get_layer("norm")
    norm.set_weights([np.full(w.shape, 3.0) for w in norm.get_weights()])
    inputs = [FIRST, FIRST + 1, np.ones_like(FIRST)][: len(model.inputs)]
    inputs = inputs[0] if len(inputs) == 1 else inputs
    expected = model(inputs, training=False)
    with batch_norm_statistics.fixed(model):
        fixed = model(inputs, training=True)
    np.testing.assert_array_equal(fixed, expected)
    for weight in norm.get_weights():
        np.testing.assert_array_equal(weight, 3.0)
    # The context is over: the batch counts again, and moves the statistics.
    assert np.abs(model(inputs, training=True) - expected).max() > 0.1
    assert any((weight != 3.0).any() for weight in norm.get_weights())


def test_batch_norms_of_a_policy_network_adapt_beside_fixed_ones():
    model = spottune.build(tiny_resnet(), 3)
    images = random_images(4, 8, 8, 3)

    def read(names):
        return {n: np.asarray(w).copy() for n, w in weights.items() if names in n}

    weights = {
        weight.path: weight for weight in model.weights if "moving" in weight.path
    }
    before = read("moving")
    with batch_norm_statistics.fixed(model):
        model(images, training=True)
    changed = {n for n, w in read("moving").items() if (w != before[n]).any()}
    assert changed and all("policy_network" in name for name in changed)
    assert changed == {name for name in before if "policy_network" in name}
