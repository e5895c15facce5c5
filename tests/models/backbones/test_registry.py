import hashlib
import pathlib
import re

import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet

from adafilter_tf import errors, layers
from adafilter_tf.models import backbones, gate_plan
from tests.conftest import random_images, randomize

_BUNDLED = [name for name, s in backbones.BACKBONES.items() if s.bundled_weights]
_OF_KERAS = [
    name
    for name, s in backbones.BACKBONES.items()
    if not s.bundled_weights and not s.imported_weights
]


@pytest.mark.parametrize("name", _BUNDLED)
def test_bundled_backbone_has_its_pretrained_weights(name):
    pretrained = backbones.build_backbone(name, image_size=32)
    random = backbones.build_backbone(name, image_size=32, weights="random")
    assert pretrained.output.shape == (None, 4, 4, 128)
    images = 255 * np.random.default_rng(0).uniform(size=(2, *random.input_shape[1:]))
    assert np.abs(pretrained(images) - random(images)).max() > 0.1
    # Trained batch norms have left the start, 0 and 1.
    moving_mean = pretrained.get_layer("stage3_block2_bn2").moving_mean
    assert np.abs(moving_mean).max() > 0.01


@pytest.mark.parametrize("name", _BUNDLED)
def test_card_beside_bundled_weights_has_their_checksum(name):
    folder = pathlib.Path(backbones.__file__).parent / "weights"
    file_name = backbones.get_spec(name).bundled_weights
    sha256 = hashlib.sha256((folder / file_name).read_bytes()).hexdigest()
    card = (folder / file_name.replace(".weights.h5", ".md")).read_text("utf-8")
    assert f"SHA-256 of `{file_name}`:\n\n`{sha256}`" in card


# Where Keras keeps the preprocessing that a family's weights were trained with; the
# first pattern that fits a name counts.
_PREPROCESSING = {
    r"resnet\d+v2": keras.applications.resnet_v2,
    "resnet": keras.applications.resnet,
    "vgg": keras.applications.vgg16,
    "densenet": keras.applications.densenet,
    "inceptionv3": keras.applications.inception_v3,
    "inceptionresnetv2": keras.applications.inception_resnet_v2,
    "xception": keras.applications.xception,
    "mobilenetv3": keras.applications.mobilenet_v3,
    "mobilenetv2": keras.applications.mobilenet_v2,
    "mobilenet": keras.applications.mobilenet,
    "efficientnetv2": keras.applications.efficientnet_v2,
    "efficientnet": keras.applications.efficientnet,
    "convnext": keras.applications.convnext,
    "nasnet": keras.applications.nasnet,
}


@pytest.mark.parametrize("name", _OF_KERAS)
def test_pixels_are_normalized_as_keras_does_for_the_pretrained_weights(name):
    family = next(m for p, m in _PREPROCESSING.items() if re.match(p, name))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    expected = family.preprocess_input(pixels.copy())
    normalization = backbones.get_spec(name).normalization
    actual = pixels
    if normalization is not None:
        actual = layers.PixelNormalization(**normalization)(pixels)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)


def test_convnext_is_flat_and_every_weight_is_gated():
    backbone = backbones.build_backbone("convnexttiny", image_size=32, weights="random")
    assert not any(isinstance(layer, keras.Model) for layer in backbone.layers)
    plan = gate_plan.plan_gates(backbone, None)
    gated = plan.gated_layers
    assert {x.name for x in backbone.layers if x.trainable_weights} == gated


def test_weights_file_is_read_back(tmp_path):
    source = backbones.build_backbone("resnet14", image_size=16, weights="random")
    path = str(tmp_path / "mine.weights.h5")
    source.save_weights(path)
    loaded = backbones.build_backbone("resnet14", image_size=16, weights=path)
    images = random_images(1, 16, 16, 1)
    assert np.array_equal(loaded(images), source(images))


@pytest.mark.slow
def test_efficientnet_from_a_file_is_what_keras_makes_of_its_download(
    tmp_path, monkeypatch
):
    source = randomize(
        keras.applications.EfficientNetB0(
            include_top=False, weights=None, input_shape=(32, 32, 3)
        )
    )
    path = str(tmp_path / "efficientnetb0_notop.weights.h5")
    source.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: path)
    images = 255 * np.random.default_rng(0).uniform(size=(2, 32, 32, 3))
    expected, actual = (
        backbones.build_backbone("efficientnetb0", image_size=32, weights=weights)
        for weights in ("pretrained", path)
    )
    assert np.abs(expected(images)).max() > 1e-3
    np.testing.assert_allclose(actual(images), expected(images), atol=1e-6)
    # Random weights pass little of their input on.
    assert np.abs(source(images) - expected(images)).max() > 1e-4


def test_foreign_weights_file_is_refused(tmp_path):
    other = backbones.build_backbone("mobilenetv2", image_size=32, weights="random")
    path = str(tmp_path / "other.weights.h5")
    other.save_weights(path)
    with pytest.raises(errors.RunError, match="does not fit resnet14 without its top"):
        backbones.build_backbone("resnet14", image_size=16, weights=path)


def test_missing_weights_file_is_refused():
    with pytest.raises(errors.RunError, match="none.h5 of resnet14 does not exist"):
        backbones.build_backbone("resnet14", image_size=16, weights="none.h5")


def test_failed_download_says_what_to_put_where(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://host/r50_notop.h5: None -- no")

    spec = backbones.BackboneSpec(lambda weights, input_tensor: offline(), None)
    monkeypatch.setitem(backbones.BACKBONES, "resnet50", spec)
    with pytest.raises(errors.RunError) as error:
        backbones.build_backbone("resnet50", image_size=32)
    for part in ("https://host/r50_notop.h5", "models by hand", "--weights=PATH",
                 "configs/digits.cfg"):  # fmt: skip
        assert part in str(error.value)


def test_too_small_image_is_refused():
    message = "image_size=16; resnet50 needs at least 32 pixels. Set --image_size=32"
    with pytest.raises(errors.UsageError, match=message):
        backbones.build_backbone("resnet50", image_size=16, weights="random")


def test_unknown_backbone_lists_the_known():
    with pytest.raises(
        errors.UsageError, match="--backbone=resnet51; allowed are .* resnet14,"
    ):
        backbones.build_backbone("resnet51", image_size=32)
