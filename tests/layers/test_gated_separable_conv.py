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

OPTIONS = {
    "plain": {},
    "strided": {"strides": (2, 2), "padding": "same"},
    "dilated": {"dilation_rate": (2, 2)},
    "deep": {"depth_multiplier": 2},
    "without_bias": {"use_bias": False},
    "with_activation": {"activation": "relu"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_gates_choose_between_two_separable_convolutions(options):
    gated = layers.GatedSeparableConv2D(6, (3, 3), **options)
    plain = keras.layers.SeparableConv2D(6, (3, 3), **options)
    images, gates = random_images(3, 9, 9, 4), draw_gates(3, 6)
    frozen, tuned = (np.array(x(images)) for x in make_pair(plain, gated, images.shape))
    expected = np.where(gates[:, None, None, :] == 1, tuned, frozen)
    outputs = gated(images, gates)
    assert gated.compute_output_spec(images, gates).shape == outputs.shape
    # Same parts, same order of summation: only the blend rounds.
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(frozen - tuned).max() > 0.1


def test_without_gates_both_branches_are_given():
    gated = layers.GatedSeparableConv2D(5, (3, 3))
    images = random_images(2, 6, 6, 4)
    pair = make_pair(keras.layers.SeparableConv2D(5, (3, 3)), gated, images.shape)
    for branch, layer in zip(gated(images), pair, strict=True):
        np.testing.assert_allclose(branch, layer(images), rtol=1e-5, atol=1e-5)


def test_only_the_tuned_filters_are_trainable():
    gated = layers.GatedSeparableConv2D(5, (3, 3))
    gated.build((None, 6, 6, 4))
    assert_only_tuned_train(gated)


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(
        layers.GatedSeparableConv2D(
            6, (3, 1), strides=(2, 2), padding="same", depth_multiplier=2
        )
    )
