import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images
from tests.layers.branch_pairs import assert_config_rebuilds, draw_gates

OPTIONS = {"strides": 2, "padding": "same", "activation": "relu"}


def make_layer(dependent, **options):
    layer = layers.FoldedConv2D(6, 3, dependent, **OPTIONS, **options)
    layer.build((None, 8, 8, 3))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def convolve(images, kernel, bias):
    outputs = keras.ops.conv(images, kernel, strides=2, padding="same")
    return keras.ops.convert_to_numpy(outputs) + np.asarray(bias)


@pytest.mark.parametrize("dependent", [(1, 4), tuple(range(6))])
@pytest.mark.parametrize("pick_single", [True, False])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_gates_choose_filters(dependent, pick_single, batch_size):
    layer = make_layer(dependent, pick_single=pick_single)
    images = random_images(batch_size, 8, 8, 3)
    gates = draw_gates(batch_size, len(dependent))
    kernel, bias, difference, offset = layer.get_weights()
    expected = convolve(images, kernel, bias)
    changes = convolve(images, difference, offset)[..., list(dependent)]
    expected[..., list(dependent)] += gates[:, None, None, :] * changes
    expected = np.maximum(expected, 0)
    np.testing.assert_allclose(layer(images, gates), expected, atol=1e-5)

    # One graph for batches of any size.
    inputs = keras.Input((8, 8, 3)), keras.Input((len(dependent),))
    model = keras.Model(inputs, layer(*inputs))
    assert model.output.shape == (None, 4, 4, 6)
    actual = model.predict_on_batch([images, gates])
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_config_rebuilds_the_layer():
    assert_config_rebuilds(make_layer([0, 3], pick_single=False, name="folded"))


def test_all_weights_are_saved(tmp_path):
    layer = make_layer([0, 3])
    inputs = keras.Input((8, 8, 3)), keras.Input((2,))
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for weight, expected in zip(loaded.weights, layer.weights, strict=True):
        np.testing.assert_array_equal(weight, expected)
