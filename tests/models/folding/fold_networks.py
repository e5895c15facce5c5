"""Trained-looking networks to fold: banks that differ, gates that need the image."""

import keras
import numpy as np

from adafilter_tf import methods
from tests import conftest


def build(backbone, method="adafilter", *, gate_units=4, **options) -> keras.Model:
    """A method's model of 3 classes whose tuned weights have left the frozen ones."""
    if method == "adafilter":
        options["gate_units"] = gate_units
    return diverge(methods.METHODS[method].build(backbone, 3, **options))


def diverge(model: keras.Model) -> keras.Model:
    """Moves the tuned weights, and those of changes of low rank, from their start."""
    generator = np.random.default_rng(1)
    for layer in model._flatten_layers(include_self=False):
        for weight in layer.weights:
            if weight.name.startswith("tuned_") or "lora" in weight.name:
                value = keras.ops.convert_to_numpy(weight)
                factor = generator.uniform(0.8, 1.2, value.shape)
                shift = 0 if "variance" in weight.name else 0.05
                weight.assign(
                    value * factor + shift * generator.normal(size=factor.shape)
                )
    return model


def images(count=12) -> np.ndarray:
    return conftest.random_images(count, 8, 8, 3)


def measure_difference(folded, model, pixels) -> float:
    """Greatest difference of the outputs, as a share of the greatest output."""
    expected = keras.ops.convert_to_numpy(model(pixels, training=False))
    difference = keras.ops.convert_to_numpy(folded(pixels, training=False)) - expected
    return float(np.abs(difference).max() / np.abs(expected).max())


def preactivation_resnet() -> keras.Model:
    """A block whose batch norms come before its convolutions, and a depthwise one."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem_conv")(inputs)
    y = layers.BatchNormalization(name="stage1_block1_bn")(x)
    y = layers.ReLU(name="stage1_block1_relu")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="stage1_block1_depthwise")(y)
    y = layers.BatchNormalization(name="stage1_block1_depthwise_bn")(y)
    y = layers.Conv2D(8, 3, padding="same", groups=2, name="stage1_block1_grouped")(y)
    y = layers.Dense(8, activation="swish", name="stage1_block1_dense")(y)
    x = layers.Add(name="stage1_block1_out")([x, y])
    return conftest.randomize(keras.Model(inputs, x, name="preactivation"))
