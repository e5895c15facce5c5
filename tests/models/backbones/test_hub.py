import importlib.util

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.models import backbones, gating
from adafilter_tf.models.backbones import hub
from tests.conftest import random_images, randomize

HAS_HUB = importlib.util.find_spec("keras_hub") is not None
needs_hub = pytest.mark.skipif(not HAS_HUB, reason="keras-hub is missing")


def _models():
    import keras_hub

    return keras_hub.models


def _resnet(**options):
    return _models().ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 2],
        stackwise_num_strides=[1, 2],
        image_shape=(None, None, 3),
        **options,
    )


def _efficientnet():
    return _models().EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 2],
        stackwise_input_filters=[16, 16],
        stackwise_output_filters=[16, 24],
        stackwise_expansion_ratios=[1, 4],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25],
        stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"],
        width_coefficient=1.0,
        depth_coefficient=1.0,
    )


def _mobilenet():
    return _models().MobileNetBackbone(
        stackwise_expansion=[[40, 56], [64]],
        stackwise_num_blocks=[2, 1],
        stackwise_num_filters=[[16, 16], [24]],
        stackwise_kernel_size=[[3, 3], [5]],
        stackwise_num_strides=[[2, 1], [2]],
        stackwise_se_ratio=[[None, None], [0.25]],
        stackwise_activation=[["relu", "relu"], ["hard_swish"]],
        stackwise_padding=[[1, 1], [2]],
        output_num_filters=32,
        input_activation="hard_swish",
        output_activation="hard_swish",
        input_num_filters=16,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=0.5,
        last_layer_filter=32,
    )


NETWORKS = {
    "resnet": lambda: _resnet(block_type="bottleneck_block"),
    "resnet_v2": lambda: _resnet(block_type="basic_block", use_pre_activation=True),
    "resnet_vd": lambda: _resnet(block_type="bottleneck_block_vd"),
    "vgg": lambda: _models().VGGBackbone([1, 1], [8, 8]),
    "densenet": lambda: _models().DenseNetBackbone([2, 2], growth_rate=8),
    "xception": lambda: _models().XceptionBackbone([[8, 8], [16, 16]], [True, False]),
    "efficientnet": _efficientnet,
}


def save(network, folder, **converter):
    """A preset's folder, as one that KerasHub downloads."""
    import keras_hub

    network.save_to_preset(str(folder))
    if converter:
        keras_hub.layers.ImageConverter(**converter).save_to_preset(str(folder))
    return f"hub:{folder}"


@needs_hub
@pytest.mark.parametrize("name", NETWORKS)
def test_preset_becomes_a_gated_network_of_the_same_function(name, tmp_path):
    network = randomize(NETWORKS[name]())
    preset = save(network, tmp_path / name, image_size=(32, 32), scale=1 / 255)
    assert backbones.get_spec(preset).image_size == 32

    backbone = backbones.build_backbone(preset, image_size=32)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    expected = network(pixels / 255, training=False)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(backbone(pixels), expected, rtol=1e-3, atol=1e-4)
    gated = gating.add_gates(backbone)
    np.testing.assert_allclose(gated(pixels), expected, rtol=1e-3, atol=1e-4)


@needs_hub
def test_network_of_composite_layers_can_be_tuned_and_is_not_gated(tmp_path):
    network = _mobilenet()
    preset = save(network, tmp_path / "net", scale=1 / 255)
    backbone = backbones.build_backbone(preset, image_size=32)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    expected = network(pixels / 255, training=False)
    np.testing.assert_allclose(backbone(pixels), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(
        errors.RunError, match="Layer 'block_0_0.*' of type .* no gated"
    ):
        gating.add_gates(backbone)


@needs_hub
def test_pixels_are_normalized_as_the_preset_says(tmp_path):
    import keras_hub

    options = {"scale": [0.5, 0.25, 0.1], "offset": [-1.0, 0.5, 0.0]}
    preset = save(NETWORKS["vgg"](), tmp_path / "vgg", **options)
    backbone = backbones.build_backbone(preset, image_size=16)
    pixels = random_images(1, 16, 16, 3)
    np.testing.assert_allclose(
        backbone.get_layer("pixel_normalization")(pixels),
        keras_hub.layers.ImageConverter(**options)(pixels),
        atol=1e-6,
    )
    assert backbones.get_spec(preset).image_size == 224


@needs_hub
def test_preset_without_converter_needs_a_pixel_range(tmp_path):
    preset = save(NETWORKS["vgg"](), tmp_path / "vgg")
    with pytest.raises(errors.RunError, match="cannot be had as a KerasHub ImageConv"):
        backbones.get_spec(preset)


@needs_hub
def test_missing_preset_says_what_to_do(tmp_path):
    message = "cannot be had as a KerasHub Backbone: .* save_to_preset wrote"
    with pytest.raises(errors.RunError, match=message):
        hub.load(str(tmp_path / "none"), load_weights=True)


@pytest.mark.skipif(HAS_HUB, reason="keras-hub is installed")
def test_missing_package_is_named():
    with pytest.raises(errors.RunError, match=r"pip install -e .\[hub\]"):
        backbones.get_spec("hub:resnet_50_imagenet")
