import numpy as np
import pytest

from adafilter_tf.layers import batch_moments
from tests.conftest import random_images


@pytest.mark.parametrize("shape", [(4, 5, 3, 6), (7, 6)])
def test_moments_are_those_of_numpy(shape):
    inputs = 3 + 2 * random_images(*shape)
    mean, variance = np.asarray(batch_moments.batch_moments(inputs))
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(mean, inputs.mean(axis=axes), rtol=1e-5)
    np.testing.assert_allclose(variance, inputs.var(axis=axes), rtol=1e-5)


def test_gradient_is_that_of_the_definition():
    """Against the derivative of sum(a * mean + b * variance), written out."""
    tf = pytest.importorskip("tensorflow")
    inputs = 3 + 2 * random_images(4, 5, 3, 6)
    a, b = np.arange(6.0), np.arange(6.0)[::-1]
    variable = tf.Variable(inputs)
    with tf.GradientTape() as tape:
        mean, variance = tf.unstack(batch_moments.batch_moments(variable))
        loss = tf.reduce_sum(a * mean + b * variance)
    deviation = inputs - inputs.mean(axis=(0, 1, 2))
    expected = (a + 2 * b * deviation) / (4 * 5 * 3)
    np.testing.assert_allclose(tape.gradient(loss, variable), expected, atol=1e-5)
