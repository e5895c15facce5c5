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


@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}], ids=str)
def test_gates_choose_between_two_layer_norms(options):
    gated = layers.GatedLayerNormalization(epsilon=1e-2, **options)
    plain = keras.layers.LayerNormalization(epsilon=1e-2, **options)
    frozen, tuned = random_images(3, 5, 5, 6), 2 * random_images(3, 5, 5, 6, seed=1)
    norm_frozen, norm_tuned = make_pair(plain, gated, frozen.shape)
    gates = draw_gates(3, 6)
    outputs = gated(frozen, tuned, gates)
    expected = np.where(
        gates[:, None, None, :] == 1, norm_tuned(tuned), norm_frozen(frozen)
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_frozen_channels_do_not_feel_the_tuned_branch():
    gated = layers.GatedLayerNormalization()
    frozen, tuned = random_images(2, 4, 4, 6), random_images(2, 4, 4, 6, seed=1)
    gates = draw_gates(2, 6)
    one, other = gated(frozen, tuned, gates), gated(frozen, 3 * tuned + 1, gates)
    kept = np.broadcast_to(gates[:, None, None, :] == 0, one.shape)
    assert np.array_equal(np.array(one)[kept], np.array(other)[kept])


def test_half_precision_is_normalized_in_single_precision():
    gated = layers.GatedLayerNormalization(dtype="mixed_float16")
    inputs = (300 * random_images(2, 4, 4, 6)).astype("float16")
    # The square of 300 is beyond the range of float16.
    outputs = gated(inputs, inputs, draw_gates(2, 6))
    assert outputs.dtype == "float16"
    expected = keras.layers.LayerNormalization(dtype="float32")(inputs)
    np.testing.assert_allclose(outputs, expected, atol=2e-3)


def test_only_the_tuned_terms_are_trainable():
    gated = layers.GatedLayerNormalization()
    gated.build((None, 4, 4, 6))
    assert_only_tuned_train(gated)


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(layers.GatedLayerNormalization(epsilon=1e-6, center=False))
