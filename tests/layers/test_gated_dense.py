import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images
from tests.layers.branch_pairs import (
    assert_config_rebuilds,
    assert_only_tuned_train,
    draw_gates,
    make_pair,
)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 6, 4)], ids=str)
@pytest.mark.parametrize("options", [{"activation": "relu"}, {"use_bias": False}])
def test_gates_choose_between_two_dense_layers(shape, options):
    gated = layers.GatedDense(7, **options)
    pair = make_pair(keras.layers.Dense(7, **options), gated, shape)
    inputs, gates = random_images(*shape), draw_gates(3, 7)
    frozen, tuned = (np.array(layer(inputs)) for layer in pair)
    broadcast = gates.reshape(3, *(1,) * (len(shape) - 2), 7)
    outputs = gated(inputs, gates)
    assert gated.compute_output_spec(inputs, gates).shape == outputs.shape
    # Only the blend rounds.
    expected = np.where(broadcast == 1, tuned, frozen)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(frozen - tuned).max() > 0.1


def test_activation_follows_the_blend():
    """Seen under soft gates alone: relu(g * t + (1 - g) * f), of signs that differ."""
    gated = layers.GatedDense(7, activation="relu")
    pair = make_pair(keras.layers.Dense(7), gated, (3, 4))
    inputs = random_images(3, 4)
    frozen, tuned = (np.array(layer(inputs)) for layer in pair)
    gates = np.random.default_rng(2).uniform(0.2, 0.8, (3, 7)).astype("float32")
    expected = np.maximum(gates * tuned + (1 - gates) * frozen, 0)
    np.testing.assert_allclose(gated(inputs, gates), expected, rtol=1e-5, atol=1e-5)


def test_without_gates_both_branches_are_given_without_activation():
    gated = layers.GatedDense(7, activation="relu")
    pair = make_pair(keras.layers.Dense(7), gated, (2, 3, 3, 4))
    inputs = random_images(2, 3, 3, 4)
    for branch, layer in zip(gated(inputs), pair, strict=True):
        np.testing.assert_allclose(branch, layer(inputs), rtol=1e-5, atol=1e-5)


def test_only_the_tuned_units_are_trainable():
    gated = layers.GatedDense(7)
    gated.build((None, 4))
    assert_only_tuned_train(gated)


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(layers.GatedDense(7, activation="gelu", use_bias=False))
