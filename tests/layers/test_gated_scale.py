import numpy as np

from adafilter_tf import layers
from tests.conftest import random_images
from tests.layers.branch_pairs import (
    assert_config_rebuilds,
    assert_only_tuned_train,
    draw_gates,
)


def test_gates_choose_between_two_scaled_branches():
    gated = layers.GatedScale()
    frozen, tuned = random_images(3, 5, 5, 4), random_images(3, 5, 5, 4, seed=1)
    gates = draw_gates(3, 4)
    gated.build(frozen.shape)
    gated.frozen_gamma.assign([1, 2, 3, 4])
    gated.tuned_gamma.assign([5, 6, 7, 8])
    expected = np.where(
        gates[:, None, None, :] == 1, tuned * [5, 6, 7, 8], frozen * [1, 2, 3, 4]
    )
    np.testing.assert_allclose(gated(frozen, tuned, gates), expected, rtol=1e-6)


def test_only_the_tuned_factors_are_trainable():
    gated = layers.GatedScale()
    gated.build((None, 4, 4, 6))
    assert_only_tuned_train(gated)


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(layers.GatedScale(name="scale"))
