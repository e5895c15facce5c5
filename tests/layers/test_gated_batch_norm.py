import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import layers
from tests.conftest import random_images

NAMES = ("gamma", "beta", "moving_mean", "moving_variance")


def pair_of_plain(gated, shape):
    """Keras' own batch norms with the weights of the two branches."""
    rng = np.random.default_rng(1)
    gated.build(shape)
    plain = []
    for branch in ("frozen", "tuned"):
        layer = keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-2)
        layer.build(shape)
        for name in NAMES:
            value = rng.uniform(0.5, 1.5, shape[-1:])
            getattr(layer, name).assign(value)
            getattr(gated, f"{branch}_{name}").assign(value)
        plain.append(layer)
    return plain


def random_gates(*shape):
    return np.random.default_rng(2).integers(0, 2, shape).astype("float32")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("frozen_statistics", ["fixed", "adapting"])
def test_folded_form_equals_two_batch_norms_and_a_choice(training, frozen_statistics):
    """I6: outputs, statistics and gradients of the folded form and the plain one."""
    frozen, tuned = random_images(4, 5, 5, 6), random_images(4, 5, 5, 6, seed=1)
    gates = random_gates(4, 6)
    gated = layers.GatedBatchNormalization(
        momentum=0.8, epsilon=1e-2, frozen_statistics=frozen_statistics
    )
    plain_frozen, plain_tuned = pair_of_plain(gated, frozen.shape)
    adapting = training and frozen_statistics == "adapting"
    inputs = [tf.constant(a) for a in (frozen, tuned, gates)]
    weights = random_images(4, 5, 5, 6, seed=2)

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function(*inputs)
            loss = tf.reduce_sum(weights * outputs)
        return [outputs, *tape.gradient(loss, inputs)]

    def two_batch_norms(f, t, g):
        g = g[:, None, None, :]
        return g * plain_tuned(t, training=training) + (1 - g) * plain_frozen(
            f, training=adapting
        )

    actual = gradients(lambda f, t, g: gated(f, t, g, training=training))
    for a, b in zip(actual, gradients(two_batch_norms), strict=True):
        # Sums over 100 values in another order: a few float32 digits.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    for branch, layer in (("frozen", plain_frozen), ("tuned", plain_tuned)):
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(gated, f"{branch}_{name}"), getattr(layer, name), rtol=1e-5
            )


def test_fixed_frozen_statistics_do_not_move_in_training():
    gated = layers.GatedBatchNormalization()
    images = random_images(4, 5, 5, 6)
    gated(images, images, random_gates(4, 6), training=True)
    assert np.array_equal(gated.frozen_moving_mean, np.zeros(6))
    assert np.array_equal(gated.frozen_moving_variance, np.ones(6))
    assert np.abs(gated.tuned_moving_mean).min() > 0


def test_untrainable_layer_uses_moving_statistics_in_training():
    gated = layers.GatedBatchNormalization()
    images = random_images(4, 5, 5, 6)
    expected = gated(images, images, random_gates(4, 6), training=False)
    gated.trainable = False
    actual = gated(images, images, random_gates(4, 6), training=True)
    assert np.array_equal(actual, expected)


def test_statistics_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    gated = layers.GatedBatchNormalization()
    # The variance, 9e6, lies beyond float16's largest number.
    images = (3000 * random_images(8, 6, 6, 2)).astype("float16")
    outputs = gated(images, images, np.ones((8, 2), "float16"), training=True)
    assert outputs.dtype == "float16"
    outputs = np.asarray(outputs, "float32")
    np.testing.assert_allclose(outputs.std(axis=(0, 1, 2)), 1, atol=0.01)


def test_config_rebuilds_the_layer():
    gated = layers.GatedBatchNormalization(
        momentum=0.7, scale=False, frozen_statistics="adapting"
    )
    rebuilt = layers.GatedBatchNormalization.from_config(gated.get_config())
    assert rebuilt.get_config() == gated.get_config()


def test_unknown_statistics_are_named_with_the_allowed_ones():
    message = "frozen_statistics='moving'; allowed are fixed, adapting"
    with pytest.raises(ValueError, match=message):
        layers.GatedBatchNormalization(frozen_statistics="moving")
