import numpy as np

from adafilter_tf import layers
from tests.conftest import random_images


def test_each_image_gets_its_chosen_copy():
    tuned, frozen = random_images(3, 4, 4, 2), random_images(3, 4, 4, 2, seed=1)
    choices = np.array([[0, 1], [1, 0], [0, 1]], "float32")
    outputs = np.array(layers.BlockRoute(block=1)(tuned, frozen, choices))
    assert np.array_equal(outputs, np.stack([tuned[0], frozen[1], tuned[2]]))


def test_config_rebuilds_the_layer():
    route = layers.BlockRoute(block=3)
    rebuilt = layers.BlockRoute.from_config(route.get_config())
    assert rebuilt.get_config() == route.get_config()
