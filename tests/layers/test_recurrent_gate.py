import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def make_cell(**options):
    cell = layers.RecurrentGateCell(
        ["first", "second"], channels=[3, 5], filters=[4, 6], units=7, **options
    )
    cell.build((None, 8, 8, 3))
    rng = np.random.default_rng(3)
    for weight in cell.weights:
        weight.assign(rng.normal(size=weight.shape))
    return cell


def numpy_step(cell, images, hidden, carry, step):
    """The equations of the method by hand; Keras orders the LSTM's gates i, f, c, o."""
    pooled = images.mean(axis=(1, 2))
    projection, logits = cell.embeddings[step], cell.filter_logits[step]
    embedded = pooled @ projection.kernel.numpy() + projection.bias.numpy()
    lstm = cell.cell
    z = embedded @ lstm.kernel.numpy() + hidden @ lstm.recurrent_kernel.numpy()
    i, f, c, o = np.split(z + lstm.bias.numpy(), 4, axis=1)
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(c)
    hidden = sigmoid(o) * np.tanh(carry)
    logits = hidden @ logits.kernel.numpy() + logits.bias.numpy()
    return sigmoid(logits / cell.temperature), hidden, carry


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_two_layers_follow_the_equations(temperature):
    cell = make_cell(temperature=temperature)
    first, second = random_images(2, 8, 8, 3), random_images(2, 4, 4, 5)
    zeros = np.zeros((2, 7))
    expected = numpy_step(cell, first, zeros, zeros, 0)
    actual = cell(first, step=0)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    expected = numpy_step(cell, second, *expected[1:], 1)
    for a, b in zip(cell(second, *actual[1:], step=1), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_layers_share_one_cell():
    cell = make_cell()
    shared = [w for w in cell.weights if "lstm" in w.path]
    assert [tuple(w.shape) for w in shared] == [(7, 28), (7, 28), (28,)]
    assert len(cell.weights) == len(shared) + 2 * 2 * 2


def test_initial_bias_sets_the_share_of_tuned_filters():
    probabilities = []
    for bias in (-4.0, 4.0):
        cell = layers.RecurrentGateCell(["a"], [3], [50], units=64, initial_bias=bias)
        probabilities.append(np.array(cell(random_images(4, 8, 8, 3))[0]))
    assert probabilities[0].max() < 0.5 < probabilities[1].min()


def test_computes_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    cell = layers.RecurrentGateCell(["a"], [3], [5], units=64)
    outputs = cell(random_images(4, 8, 8, 3).astype("float16"))
    assert {str(x.dtype) for x in outputs} == {"<dtype: 'float32'>"}
    assert {w.dtype for w in cell.weights} == {"float32"}


def test_config_rebuilds_the_layer():
    cell = make_cell(initial_bias=1.5)
    rebuilt = layers.RecurrentGateCell.from_config(cell.get_config())
    assert rebuilt.get_config() == cell.get_config()


def test_lists_of_different_length_are_an_error():
    with pytest.raises(ValueError, match=r"received \[2, 1, 2\] entries"):
        layers.RecurrentGateCell(["a", "b"], channels=[3], filters=[4, 5], units=2)
