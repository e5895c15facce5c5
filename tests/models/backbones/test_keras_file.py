import re
import zipfile

import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.models import backbones, gating
from adafilter_tf.models.backbones import keras_file
from tests.conftest import random_images, tiny_resnet

layers = keras.layers


def save(model, tmp_path):
    path = str(tmp_path / "mine.keras")
    model.save(path)
    return path


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )


def test_file_becomes_a_backbone_of_any_size(tmp_path):
    source = tiny_resnet()
    pooled = layers.GlobalAveragePooling2D()(source.output)
    path = save(keras.Model(source.input, layers.Dense(5)(pooled)), tmp_path)

    backbone = backbones.build_backbone(path, image_size=8, pixel_range="0..1")
    pixels = 255 * np.random.default_rng(0).uniform(size=(2, 8, 8, 3))
    np.testing.assert_allclose(backbone(pixels), source(pixels / 255), atol=1e-4)
    assert backbone.name == "mine"
    gated = gating.add_gates(backbone)
    np.testing.assert_allclose(gated(pixels), backbone(pixels), atol=1e-4)
    assert backbones.build_backbone(
        path, image_size=12, pixel_range="0..1", synchronized=True
    ).output.shape == (None, 6, 6, 12)


def test_sequential_file_says_size_channels_and_normalization(tmp_path):
    model = sequential()
    path = save(model, tmp_path)
    spec = backbones.get_spec(path)
    assert (spec.image_size, spec.channels) == (8, 1)
    backbone = backbones.build_backbone(path, image_size=8)
    pixels = random_images(2, 8, 8, 1)
    np.testing.assert_allclose(
        backbone(pixels), model.layers[1](model.layers[0](pixels)), atol=1e-5
    )


def test_open_size_is_the_usual_one(tmp_path):
    images = keras.Input((None, None, 3))
    path = save(keras.Model(images, layers.Conv2D(4, 3)(images)), tmp_path)
    assert keras_file.read_input(path) == (224, 3)


def test_lambda_layer_is_refused(tmp_path):
    images = keras.Input((8, 8, 3))
    x = layers.Lambda(lambda x: x / 255)(images)
    path = save(keras.Model(images, layers.Conv2D(4, 3)(x)), tmp_path)
    with pytest.raises(
        errors.RunError, match=r"names keras.layers.Lambda, .* without Lam"
    ):
        keras_file.load(path)


class Own(keras.layers.Layer):
    def call(self, x):
        return x


def test_unknown_layer_is_refused_by_name(tmp_path):
    images = keras.Input((8, 8, 3))
    path = save(keras.Model(images, Own()(images)), tmp_path)
    with pytest.raises(errors.RunError, match="it names .*Own, which"):
        keras_file.load(path)


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "there is no such file"),
        (
            lambda path: path.write_bytes(b"no zip"),
            "not a file of Keras 3's .keras format",
        ),
        (lambda path: Subclassed().save(path), "holds a Subclassed; .* functional or"),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, write, message):
    path = tmp_path / "mine.keras"
    write(path)
    with pytest.raises(errors.RunError, match=message):
        keras_file.read_input(str(path))


@pytest.mark.parametrize("shape", [(8, 6, 3), (8, 8, 4), (8,)])
def test_input_that_is_no_image_is_refused(tmp_path, shape):
    images = keras.Input(shape)
    path = save(keras.Model(images, layers.Activation("relu")(images)), tmp_path)
    with pytest.raises(errors.RunError, match=re.escape(str((None, *shape)))):
        keras_file.read_input(path)


def test_damaged_weights_are_refused(tmp_path):
    path = save(tiny_resnet(), tmp_path)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("metadata.json", "{}")
    with pytest.raises(errors.RunError, match="mine.keras cannot be a backbone"):
        keras_file.load(path)


def test_options_of_a_file_are_refused_for_a_named_backbone():
    with pytest.raises(errors.UsageError, match="with --backbone=resnet14; they are"):
        backbones.build_backbone("resnet14", image_size=32, pixel_range="0..1")


def test_weights_file_beside_a_network_file_is_refused(tmp_path):
    path = save(sequential(), tmp_path)
    with pytest.raises(errors.UsageError, match="which has weights of its own"):
        backbones.build_backbone(path, image_size=8, weights="other.h5")
