import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images

OPTIONS = {
    "strided": {"strides": (2, 2), "padding": "same"},
    "dilated": {"dilation_rate": (2, 2)},
    "grouped": {"groups": 2},
    "without_bias": {"use_bias": False},
    "with_activation": {"activation": "relu"},
}


def both_branches(plain, gated, images):
    """Two plain layers that hold the frozen and the tuned weights of the gated one."""
    rng = np.random.default_rng(1)
    gated.build(images.shape)
    results = []
    for branch in ("frozen", "tuned"):
        layer = type(plain).from_config(plain.get_config())
        layer.build(images.shape)
        for weight in layer.weights:
            value = rng.normal(size=weight.shape)
            weight.assign(value)
            getattr(gated, f"{branch}_{weight.name}").assign(value)
        results.append(keras.ops.convert_to_numpy(layer(images)))
    return results


def assert_choice(plain, gated, num_filters):
    images = random_images(3, 9, 9, 4)
    frozen, tuned = both_branches(plain, gated, images)
    gates = np.random.default_rng(2).integers(0, 2, (3, num_filters))
    expected = np.where(gates[:, None, None, :] == 1, tuned, frozen)
    outputs = gated(images, gates.astype("float32"))
    assert gated.compute_output_spec(images, gates).shape == outputs.shape
    # Same kernels, same order of summation: only the blend rounds.
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(frozen - tuned).max() > 0.1


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_gates_choose_between_two_plain_convolutions(options):
    plain = keras.layers.Conv2D(6, (3, 3), **options)
    assert_choice(plain, layers.GatedConv2D(6, (3, 3), **options), 6)


@pytest.mark.parametrize(
    "options",
    [{}, {"strides": (2, 2), "padding": "same"}, {"dilation_rate": (2, 2)}],
)
def test_gates_choose_between_two_depthwise_convolutions(options):
    plain = keras.layers.DepthwiseConv2D((3, 3), depth_multiplier=2, **options)
    assert_choice(plain, layers.GatedConv2D(8, (3, 3), depthwise=True, **options), 8)


def test_activation_follows_the_blend():
    """Seen under soft gates alone: relu(g * t + (1 - g) * f), of signs that differ."""
    plain = keras.layers.Conv2D(6, (3, 3))
    gated = layers.GatedConv2D(6, (3, 3), activation="relu")
    images = random_images(3, 9, 9, 4)
    frozen, tuned = both_branches(plain, gated, images)
    gates = np.random.default_rng(2).uniform(0.2, 0.8, (3, 6)).astype("float32")
    g = gates[:, None, None]
    expected = np.maximum(g * tuned + (1 - g) * frozen, 0)
    np.testing.assert_allclose(gated(images, gates), expected, rtol=1e-5, atol=1e-5)


def test_without_gates_both_branches_are_given():
    images = random_images(2, 6, 6, 4)
    gated = layers.GatedConv2D(5, (3, 3))
    expected = both_branches(keras.layers.Conv2D(5, (3, 3)), gated, images)
    for branch, value in zip(gated(images), expected, strict=True):
        np.testing.assert_allclose(branch, value, rtol=1e-5, atol=1e-5)


def test_only_the_tuned_filters_are_trainable():
    gated = layers.GatedConv2D(5, (3, 3))
    gated.build((None, 6, 6, 4))
    assert [w.name for w in gated.trainable_weights] == ["tuned_kernel", "tuned_bias"]
    assert [w.name for w in gated.non_trainable_weights] == [
        "frozen_kernel",
        "frozen_bias",
    ]


def test_config_rebuilds_the_layer():
    gated = layers.GatedConv2D(
        6, (3, 1), strides=(2, 1), padding="same", groups=2, activation="relu"
    )
    rebuilt = layers.GatedConv2D.from_config(gated.get_config())
    assert rebuilt.get_config() == gated.get_config()


def test_groups_that_do_not_divide_the_channels_are_an_error():
    gated = layers.GatedConv2D(6, (3, 3), groups=4, name="conv9")
    message = "'conv9': groups must divide .* received groups=4, 6 channels"
    with pytest.raises(ValueError, match=message):
        gated.build((None, 8, 8, 6))


def test_depthwise_filters_must_be_a_multiple_of_the_channels():
    gated = layers.GatedConv2D(6, (3, 3), depthwise=True)
    with pytest.raises(ValueError, match="over 4 channels needs a multiple"):
        gated.build((None, 8, 8, 4))
