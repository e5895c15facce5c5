import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images
from tests.layers.branch_pairs import assert_config_rebuilds


def test_computed_gates_stand_between_the_constants():
    gates = np.float32([[0, 1], [1, 0]])
    filled = layers.FilledGates([1.0, None, 0.25, None])(random_images(2, 4, 3), gates)
    np.testing.assert_array_equal(filled, [[1, 0, 0.25, 1], [1, 1, 0.25, 0]])


def test_constants_are_repeated_for_each_image():
    filled = layers.FilledGates([1.0, 0.0])(random_images(3, 4, 4, 1))
    np.testing.assert_array_equal(filled, [[1, 0]] * 3)


def test_a_wrong_number_of_gates_is_refused():
    fill = layers.FilledGates([1.0, None], name="fill")
    with pytest.raises(ValueError, match="'fill' received 2 gates; .* have 1 None"):
        fill(keras.Input((4, 4, 3)), keras.Input((2,)))


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(layers.FilledGates([1.0, None, 0.5], name="fill"))
