import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images
from tests.layers.branch_pairs import assert_config_rebuilds, draw_gates


@pytest.mark.parametrize("filters", [(1, 4), (0, 1, 2, 3, 4, 5)])
def test_gates_add_a_difference_to_their_channels(filters):
    base = random_images(3, 4, 4, 6)
    difference = random_images(3, 4, 4, len(filters), seed=1)
    gates = draw_gates(3, len(filters))
    expected = base.copy()
    expected[..., list(filters)] += gates[:, None, None, :] * difference
    added = layers.AddedFilters(filters)(base, difference, gates)
    np.testing.assert_allclose(added, expected, atol=1e-6)


def test_dense_outputs_have_no_positions():
    base, difference = random_images(3, 4), random_images(3, 1, seed=1)
    gates = np.float32([[0], [1], [1]])
    added = np.asarray(layers.AddedFilters([2])(base, difference, gates))
    np.testing.assert_allclose(added[:, 2], base[:, 2] + (gates * difference)[:, 0])
    np.testing.assert_array_equal(added[:, :2], base[:, :2])


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(layers.AddedFilters([0, 3], name="add"))
