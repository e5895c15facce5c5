import inspect

import keras
import numpy as np
import pytest

from adafilter_tf.files import model_file
from adafilter_tf.methods import METHODS
from adafilter_tf.models import freezing, gating, trunk
from tests.conftest import random_images

layers = keras.layers
# Arguments of the random layers that need some.
ARGUMENTS = {
    "AlphaDropout": (0.5,),
    "Dropout": (0.5,),
    "GaussianDropout": (0.5,),
    "GaussianNoise": (0.5,),
    "RandomBrightness": (0.5,),
    "RandomColorDegeneration": (0.5,),
    "RandomContrast": (0.5,),
    "RandomCrop": (4, 4),
    "RandomHue": (0.5,),
    "RandomPosterization": (4,),
    "RandomRotation": (0.5,),
    "RandomSaturation": (0.5,),
    "RandomSharpness": (0.5,),
    "RandomTranslation": (0.5, 0.5),
    "RandomZoom": (0.5,),
    "SpatialDropout1D": (0.5,),
    "SpatialDropout2D": (0.5,),
    "SpatialDropout3D": (0.5,),
}
RANDOM = [
    name
    for name, layer in inspect.getmembers(layers, inspect.isclass)
    if name.startswith("Random")
    or "Dropout" in name
    or name in ("GaussianNoise", "CutMix", "MixUp", "RandAugment", "AugMix")
]


@pytest.mark.parametrize("name", RANDOM)
def test_every_random_layer_of_keras_is_known(name):
    assert freezing.is_random(getattr(layers, name)(*ARGUMENTS.get(name, ())))


def test_random_layers_inside_of_another_are_known():
    assert freezing.is_random(layers.Pipeline([layers.RandomFlip()]))
    assert freezing.is_random(keras.Sequential([layers.Dropout(0.5)]))
    assert not freezing.is_random(layers.Dropout(0.0))
    assert not freezing.is_random(layers.Conv2D(1, 1))


def noisy_blocks(augment: bool) -> keras.Model:
    """Three named blocks of a convolution and a dropout, perhaps behind a flip."""
    images = x = keras.Input((8, 8, 3))
    if augment:
        x = layers.RandomFlip("horizontal", seed=1, name="flip")(x)
    for block in ("block1", "block2", "block3"):
        x = layers.Conv2D(4, 3, padding="same", name=f"{block}_conv")(x)
        x = layers.Dropout(0.5, name=f"{block}_drop")(x)
    return keras.Model(images, x)


@pytest.mark.parametrize(
    ("method", "options", "last"),
    [
        ("fine_tuning", {"tune_blocks": "1"}, "block2_drop"),
        ("fine_tuning", {"tune_blocks": "none"}, "head_pool"),
        ("adafilter", {"gate_from": "block3"}, "block2_drop"),
    ],
)
def test_frozen_blocks_are_not_noisy(method, options, last):
    backbone = noisy_blocks(augment=False)
    images = random_images(4, 8, 8, 3)
    expected = keras.Model(backbone.input, backbone.get_layer("block2_drop").output)(
        images, training=False
    )
    model = METHODS[method].build(backbone, 3, **options)
    frozen, rest = trunk.split_trunk(model)
    assert frozen.layers[-1].name == last
    assert model.get_layer("head") in rest.layers
    features = keras.Model(model.input, model.get_layer("block2_drop").output)
    np.testing.assert_allclose(features(images, training=True), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("fine_tuning", {"tune_blocks": "none"}),
        ("adafilter", {"gate_from": "block3"}),
    ],
)
def test_network_whose_noise_was_taken_out_is_saved(method, options, tmp_path):
    model = METHODS[method].build(noisy_blocks(augment=False), 3, **options)
    model_file.save_model(model, tmp_path / "model.keras")
    loaded = model_file.load_model(tmp_path / "model.keras")
    images = random_images(2, 8, 8, 3)
    assert np.array_equal(loaded(images), model(images))


def test_tuned_blocks_stay_noisy():
    model = METHODS["fine_tuning"].build(noisy_blocks(False), 3, tune_blocks="1")
    images = random_images(4, 8, 8, 3)
    first, second = (np.array(model(images, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("fine_tuning", {"tune_blocks": "1"}),
        ("adafilter", {"gate_from": "block3"}),
    ],
)
def test_augmentation_before_frozen_blocks_stays_random(method, options):
    model = METHODS[method].build(noisy_blocks(True), 3, **options)
    assert trunk.split_trunk(model) is None
    features = keras.Model(model.input, model.get_layer("block2_drop").output)
    images = random_images(8, 8, 8, 3)
    difference = features(images, training=True) - features(images, training=False)
    changed = np.abs(difference).max(axis=(1, 2, 3)) > 1e-3
    assert changed.any() and not changed.all()  # flipped or not, and nothing else


def test_frozen_copy_of_a_routed_block_is_not_noisy():
    from adafilter_tf.models import routing

    routed = routing.add_routing(noisy_blocks(False))
    frozen = keras.Model(routed.input, routed.get_layer("block1_drop_frozen").output)
    images = random_images(4, 8, 8, 3)
    np.testing.assert_array_equal(
        frozen(images, training=True), frozen(images, training=False)
    )


def test_layers_frozen_by_their_owner_are_not_noisy_either():
    backbone = noisy_blocks(False)
    for layer in backbone.layers[:5]:
        layer.trainable = False
    gated = gating.add_gates(backbone)
    features = keras.Model(gated.input, gated.get_layer("block2_drop").output)
    images = random_images(4, 8, 8, 3)
    np.testing.assert_array_equal(
        features(images, training=True), features(images, training=False)
    )


def test_probe_is_not_noisy_and_tuning_is():
    model = METHODS["lp_ft"].build(noisy_blocks(False), 3)
    images = random_images(4, 8, 8, 3)
    features = keras.Model(model.input, model.get_layer("block3_drop").output)

    def noise():
        return np.abs(features(images, training=True) - features(images)).max()

    probe, tune = METHODS["lp_ft"].stages()
    probe.begin(model)
    assert noise() == 0
    tune.begin(model)
    assert noise() > 1e-3
    # A training that resumes in the second stage never begins the first.
    _, tune = METHODS["lp_ft"].stages()
    tune.begin(model)
    assert noise() > 1e-3


@pytest.mark.parametrize(
    "layer",
    [
        layers.GaussianNoise(0.5),
        layers.GaussianDropout(0.5),
        layers.AlphaDropout(0.5),
        layers.SpatialDropout2D(0.5),
        freezing.convnext.StochasticDepth(0.5),
    ],
)
def test_noise_of_each_kind_pauses(layer):
    images = keras.Input((8, 8, 3))
    x = layer(layers.Conv2D(4, 3, name="conv")(images))
    model = keras.Model(images, x)
    batch = random_images(4, 8, 8, 3)
    quiet = freezing.QuietFreeze()
    for call, expected in (
        (lambda: quiet.begin(model, {"conv", layer.name}), 0),
        (lambda: quiet.end(model), 1),
    ):
        call()
        noise = np.abs(model(batch, training=True) - model(batch)).max()
        assert (noise > 1e-3) == expected
