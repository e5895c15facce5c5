import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images, tiny_resnet

IMAGES = random_images(2, 8, 8, 3)


def move(network):
    """Changes every weight by a thousandth; returns the kernels' squared distance."""
    squared = 0.0
    for weight in network.weights:
        before = weight.numpy()
        weight.assign(1.001 * before)
        if "conv" in weight.path and weight.name != "bias":
            squared += np.sum((weight.numpy() - before).astype("float64") ** 2)
    return squared


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_penalty_is_the_kernels_squared_distance_in_float32(policy):
    """The distance is below half precision's resolution of the kernels."""
    keras.config.set_dtype_policy(policy)
    layer = layers.L2SPPenalty(tiny_resnet(), strength=0.3)
    squared = move(layer.network)
    # Inside of a model of half precision, as in a training.
    images = keras.Input(IMAGES.shape[1:])
    model = keras.Model(images, layer(images))
    model(IMAGES, training=True)
    (penalty,) = model.losses
    assert penalty.dtype == "float32"
    assert float(penalty) == pytest.approx(0.3 / 2 * squared, rel=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_output_is_the_networks(policy):
    keras.config.set_dtype_policy(policy)
    network = tiny_resnet()
    expected = network(IMAGES)
    output = layers.L2SPPenalty(network)(IMAGES)
    assert output.dtype == expected.dtype
    assert np.array_equal(output, expected)


def test_there_is_no_penalty_outside_of_training():
    layer = layers.L2SPPenalty(tiny_resnet())
    layer(IMAGES, training=False)
    assert layer.losses == []


def test_gradient_is_the_strength_times_the_change():
    tf = pytest.importorskip("tensorflow")
    network = tiny_resnet()
    layer = layers.L2SPPenalty(network, strength=0.3)
    kernel = network.get_layer("stem_conv").kernel
    start = kernel.numpy()
    kernel.assign(start + 0.5)
    with tf.GradientTape() as tape:
        layer(IMAGES, training=True)
        (penalty,) = layer.losses
    gradient = tape.gradient(penalty, kernel.value)
    np.testing.assert_allclose(gradient, np.full(start.shape, 0.3 * 0.5), rtol=1e-5)


def test_starting_point_is_in_no_list_of_weights():
    network = tiny_resnet()
    layer = layers.L2SPPenalty(network)
    for name in ("weights", "variables", "trainable_variables"):
        assert [v.path for v in getattr(layer, name)] == [
            v.path for v in getattr(network, name)
        ]
