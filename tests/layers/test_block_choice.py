import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import layers


def softmax(x):
    exponents = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def test_choice_and_gradient_follow_the_gumbel_softmax_of_given_noise():
    rng = np.random.default_rng(0)
    logits, noise = rng.normal(size=(2, 3, 4, 2))
    noise = -np.log(-np.log(rng.uniform(size=noise.shape)))
    with tf.GradientTape() as tape:
        variable = tf.constant(logits)
        tape.watch(variable)
        choices = layers.choose_blocks(variable, noise, 5.0)
    expected = (logits + noise).argmax(axis=-1)
    assert 0 < expected.mean() < 1
    assert np.array_equal(choices, expected)
    p = softmax((logits + noise) / 5.0)[..., 1]
    slope = p * (1 - p) / 5.0
    gradient = tape.gradient(choices, variable)
    np.testing.assert_allclose(gradient, np.stack([-slope, slope], axis=-1), 1e-6)


def test_sampled_choices_have_the_softmax_of_the_logits_as_their_mean():
    logits = np.tile([[[0.0, 1.0], [0.5, -1.0]]], (20000, 1, 1)).astype("float32")
    choices = np.array(layers.BlockChoice(seed=0)(logits, training=True))
    assert set(np.unique(choices)) == {0.0, 1.0}
    # The standard error of the mean is 0.0033.
    expected = softmax(logits[0])[:, 1]
    np.testing.assert_allclose(choices.mean(axis=0), expected, atol=0.015)


def test_inference_takes_the_greater_logit():
    logits = np.array([[[0.0, 0.1], [0.1, 0.0], [-2.0, -3.0]]], "float32")
    choice = layers.BlockChoice()
    for _ in range(3):
        assert np.array_equal(choice(logits, training=False), [[1, 0, 0]])


def test_config_rebuilds_the_layer():
    choice = layers.BlockChoice(temperature=2.0, seed=7)
    rebuilt = layers.BlockChoice.from_config(choice.get_config())
    assert rebuilt.get_config() == choice.get_config()


def test_temperature_of_zero_is_an_error():
    with pytest.raises(ValueError, match="temperature=0; BlockChoice needs one above"):
        layers.BlockChoice(temperature=0)
