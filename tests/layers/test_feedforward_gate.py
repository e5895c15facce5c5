import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images


def make_gate(**options):
    gate = layers.FeedforwardGate(
        ["first", "second"], channels=[3, 5], filters=[4, 6], units=7, **options
    )
    gate.build((None, 8, 8, 3))
    rng = np.random.default_rng(3)
    for weight in gate.weights:
        weight.assign(rng.normal(size=weight.shape))
    return gate


@pytest.mark.parametrize("step", [0, 1])
def test_each_layer_follows_the_equations(step):
    gate = make_gate(temperature=2.0)
    images = random_images(2, 8, 8, gate.channels[step])
    embedding, logits = gate.embeddings[step], gate.filter_logits[step]
    pooled = images.mean(axis=(1, 2))
    embedded = pooled @ embedding.kernel.numpy() + embedding.bias.numpy()
    expected = np.tanh(embedded) @ logits.kernel.numpy() + logits.bias.numpy()
    expected = 1 / (1 + np.exp(-expected / 2.0))
    np.testing.assert_allclose(gate(images, step=step), expected, atol=1e-5)


def test_has_no_weight_beside_the_projections():
    assert len(make_gate().weights) == 2 * 2 * 2


def test_computes_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    gate = layers.FeedforwardGate(["a"], [3], [5], units=64)
    assert gate(random_images(4, 8, 8, 3).astype("float16")).dtype == "float32"


def test_config_rebuilds_the_layer():
    gate = make_gate(initial_bias=1.5, temperature=3.0)
    rebuilt = layers.FeedforwardGate.from_config(gate.get_config())
    assert rebuilt.get_config() == gate.get_config()


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match=r"FeedforwardGate needs .* \[2, 1, 2\]"):
        layers.FeedforwardGate(["a", "b"], channels=[3], filters=[4, 5], units=2)
