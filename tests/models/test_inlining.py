import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.models import gate_io, gating, inlining
from tests.conftest import random_images, randomize, tiny_resnet

layers = keras.layers


def block(filters=3, name=None):
    """A Sequential whose batch norm has had a training of its own."""
    convolution = layers.Conv2D(filters, 3, padding="same", name="conv")
    return keras.Sequential([convolution, layers.BatchNormalization()], name=name)


def nested():
    images = keras.Input((8, 8, 3))
    x = layers.Rescaling(2.0)(images)
    x = block(name="first")(x)
    inner_input = keras.Input((8, 8, 3))
    inner = keras.Model(inner_input, block(name="deep")(inner_input) + inner_input)
    x = inner(x)
    return randomize(keras.Model(images, layers.ReLU()(x), name="outer"))


def test_flat_model_is_given_back():
    model = tiny_resnet()
    assert inlining.inline_models(model) is model


def test_layers_of_inner_models_become_layers_of_the_flat_one():
    model = nested()
    images = random_images(2, 8, 8, 3)
    flat = inlining.inline_models(model)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    names = [x.name for x in flat.layers if isinstance(x, layers.Conv2D)]
    assert names == ["conv", "deep_conv"]
    np.testing.assert_array_equal(flat(images), model(images))
    flat.get_layer("deep_conv").kernel.assign_add(np.ones((3, 3, 3, 3)))
    assert np.abs(flat(images) - model(images)).max() > 0.1  # no weight is shared


def test_sequential_with_input_is_gated():
    model = keras.Sequential([keras.Input((8, 8, 3)), block(), layers.ReLU()])
    randomize(model)
    images = random_images(2, 8, 8, 3)
    gated = gating.add_gates(model)
    assert list(gate_io.list_gates(gated)) == ["conv"]
    np.testing.assert_allclose(gated(images), model(images), atol=1e-6)


def test_mode_of_an_inner_call_is_kept():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, block(name="base")(images, training=True))
    flat = inlining.inline_models(randomize(model))
    batch = random_images(4, 8, 8, 3)
    np.testing.assert_array_equal(flat(batch), model(batch))
    assert np.abs(flat(batch) - flat(batch, training=False)).max() > 0.1


def test_file_with_models_inside_is_gated(tmp_path):
    nested().save(tmp_path / "mine.keras")
    model = keras.saving.load_model(tmp_path / "mine.keras")
    images = random_images(2, 8, 8, 3)
    gated = gating.add_gates(model)
    assert list(gate_io.list_gates(gated)) == ["conv", "deep_conv"]
    np.testing.assert_allclose(gated(images), model(images), atol=1e-5)


def test_model_that_is_called_twice_is_gated_at_each_call():
    images, shared = keras.Input((8, 8, 3)), block()
    model = keras.Model(images, shared(shared(images)))
    gated = gating.add_gates(model)
    assert list(gate_io.list_gates(gated)) == ["conv", "conv_call2"]
    batch = random_images(2, 8, 8, 3)
    np.testing.assert_allclose(gated(batch), model(batch), atol=1e-5)


def test_layer_without_weights_is_another_one_at_each_call():
    images, relu = keras.Input((8, 8, 3)), layers.ReLU(name="relu")
    model = keras.Model(images, relu(layers.Conv2D(3, 1, name="conv")(relu(images))))
    flat = inlining.inline_models(model)
    assert [layer.name for layer in flat.layers[1:]] == ["relu", "conv", "relu_call2"]
    batch = random_images(2, 8, 8, 3)
    assert np.array_equal(flat(batch), model(batch))


def test_sequential_without_input_is_refused():
    model = keras.Sequential([layers.Conv2D(3, 3)], name="mine")
    message = "'mine' has no input yet; begin it with keras.Input"
    with pytest.raises(errors.RunError, match=message):
        gating.add_gates(model)
