"""Every convolutional family of keras.applications, by its smallest member; others."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.files import model_file
from adafilter_tf.models import gate_io, gating
from adafilter_tf.models.backbones import efficientnet_lite
from tests.conftest import random_images, randomize

# Member: size of its images, and the layer behind which it is cut, for time; every kind
# of layer and of cell comes before. Images are as large as leaves the last feature maps
# some pixels: a batch norm over two images of one pixel has no gradient to speak of.
FAMILIES = {
    "ResNet50": (64, None),
    "ResNet50V2": (64, None),
    "VGG16": (64, None),
    "DenseNet121": (64, "conv3_block3_concat"),
    "InceptionV3": (107, None),
    "InceptionResNetV2": (75, "block17_2_ac"),
    "Xception": (71, None),
    "MobileNet": (64, None),
    "MobileNetV2": (64, "block_7_add"),
    "MobileNetV3Small": (64, None),
    "EfficientNetB0": (64, None),
    "EfficientNetLite0": (64, "block4b_add"),
    "EfficientNetV2B0": (64, None),
    "ConvNeXtTiny": (64, "convnext_tiny_stage_1_block_1_identity"),
    "NASNetMobile": (64, "normal_concat_1"),
}
# Plain, with skip connections and depthwise, with layer norms; the others are slow.
FAST = ("VGG16", "MobileNetV2", "ConvNeXtTiny")


def build(name):
    size, cut = FAMILIES[name]
    if name == "EfficientNetLite0":
        model = efficientnet_lite.efficientnet_lite0(keras.Input((size, size, 3)))
    else:
        model = getattr(keras.applications, name)(
            include_top=False, weights=None, input_shape=(size, size, 3)
        )
    return randomize(
        keras.Model(model.input, model.get_layer(cut).output) if cut else model
    )


def output_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def force(model, gate):
    """Makes the gate network say `gate` for every filter."""
    for logits in model.get_layer("recurrent_gate").filter_logits:
        logits.kernel.assign(np.zeros(logits.kernel.shape))
        logits.bias.assign(np.full(logits.bias.shape, 2 * gate - 1))


def take_step(model, images):
    """Takes a step of SGD, as long for each weight; returns which weights changed."""
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(images, training=True)))
    weights = model.trainable_weights
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.assign_sub(0.1 * gradient / (tf.norm(gradient) + 1e-12))
    return {
        weight.path
        for weight, value in zip(model.weights, before, strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(weight), value)
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FAST else pytest.mark.slow)
        for name in FAMILIES
    ],
)
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
def test_family_starts_pretrained_trains_tuned_weights_alone_and_loads(name, tmp_path):
    """I1, I2 (gates of 0), I3, save and load on one build, which costs most."""
    backbone = build(name)
    images = random_images(2, *backbone.input_shape[1:])
    expected = output_of(backbone, images)
    assert np.abs(expected).max() > 1e-2
    num_trainable = sum(math.prod(w.shape) for w in backbone.trainable_weights)

    gated = gating.add_gates(backbone)
    actual = output_of(gated, images)
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    tuned = {w.path: w.shape for w in gated.trainable_weights if "/tuned_" in w.path}
    assert sum(map(math.prod, tuned.values())) == num_trainable
    gates = keras.Model(gated.input, list(gate_io.list_gates(gated).values()))(images)
    # Both branches were asked.
    assert 0.2 < np.concatenate([np.ravel(g) for g in gates]).mean() < 0.8

    changed = take_step(gated, images)
    allowed = {w.path for w in gated.trainable_weights}
    allowed |= {w.path for w in gated.weights if "/tuned_moving_" in w.path}
    assert tuned.keys() <= changed <= allowed

    gated.save(tmp_path / "gated.keras")
    # As a run's own model is read.
    loaded = model_file.load_model(tmp_path / "gated.keras")
    assert np.array_equal(output_of(loaded, images), output_of(gated, images))
    force(loaded, 0)
    np.testing.assert_allclose(output_of(loaded, images), expected, atol=1e-4)
    force(loaded, 1)
    assert np.abs(output_of(loaded, images) - expected).max() > 1e-2
