import re

import keras
import numpy as np

from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import efficientnet_lite


def test_layers_are_those_of_keras_efficientnet_without_what_lite_leaves_out():
    whole = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    lite = efficientnet_lite.efficientnet_lite0(keras.Input((32, 32, 3)))
    left_out = r"input|rescaling|normalization|.*_se_|.*_pad$"
    expected = {x.name for x in whole.layers if not re.match(left_out, x.name)}
    assert {x.name for x in lite.layers} - {"input_layer", "keras_tensor"} >= expected
    for name in ("stem_conv", "block3a_dwconv", "block6d_expand_conv", "top_conv"):
        kernel, other = (m.get_layer(name).kernel for m in (whole, lite))
        assert kernel.shape == other.shape
        assert whole.get_layer(name).strides == lite.get_layer(name).strides


def test_has_the_published_number_of_parameters():
    # 4.7 million with the top: README of official/efficientnet/lite in tensorflow/tpu.
    lite = efficientnet_lite.efficientnet_lite0(keras.Input((32, 32, 3)))
    assert round((lite.count_params() + 1280 * 1000 + 1000) / 1e6, 1) == 4.7


def test_pixels_are_normalized_as_in_the_source():
    backbone = backbones.build_backbone(
        "efficientnetlite0", image_size=32, weights="random"
    )
    pixels = np.array([0.0, 127.0, 255.0], "float32") * np.ones((1, 32, 32, 3))
    normalized = backbone.get_layer("pixel_normalization")(pixels)
    np.testing.assert_allclose(normalized[0, 0, 0], [-127 / 128, 0, 1], rtol=1e-6)
