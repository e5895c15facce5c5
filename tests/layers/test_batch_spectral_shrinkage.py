import keras
import numpy as np
import pytest

from adafilter_tf import layers
from tests.conftest import random_images


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (4, 4)])
@pytest.mark.parametrize("count", [1, 2])
def test_penalty_is_that_of_the_smallest_singular_values(shape, count):
    features = random_images(*shape)
    layer = layers.BatchSpectralShrinkage(0.3, count)
    assert np.array_equal(layer(features, training=True), features)
    values = np.linalg.svd(features.astype("float64"), compute_uv=False)
    expected = 0.3 * np.sum(values[-count:] ** 2)
    assert float(layer.losses[0]) == pytest.approx(expected, rel=1e-3)
    layer(features, training=False)
    assert layer.losses == []


def test_gradient_is_finite_when_singular_values_are_equal():
    """And that of u^T F F^T u: 2 u u^T F, for the identity one row of 2 at most."""
    tf = pytest.importorskip("tensorflow")
    layer = layers.BatchSpectralShrinkage(1.0, 1)
    features = tf.constant(np.eye(4, dtype="float32"))
    with tf.GradientTape() as tape:
        tape.watch(features)
        layer(features, training=True)
        penalty = layer.losses[0]
    gradient = tape.gradient(penalty, features).numpy()
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)])
def test_size_of_the_batch_may_be_known_at_run_time_only(shape):
    tf = pytest.importorskip("tensorflow")
    layer = layers.BatchSpectralShrinkage(1.0, 1)
    features = random_images(*shape)

    @tf.function(input_signature=[tf.TensorSpec([None, shape[1]])])
    def penalty(features):
        layer(features, training=True)
        return layer.losses[0]

    smallest = np.linalg.svd(features, compute_uv=False)[-1]
    assert float(penalty(features)) == pytest.approx(smallest**2, rel=1e-3)


def test_more_singular_values_than_there_are_give_the_squared_norm():
    features = random_images(4, 6)
    layer = layers.BatchSpectralShrinkage(1.0, 10)
    layer(features, training=True)
    assert float(layer.losses[0]) == pytest.approx(np.sum(features**2), rel=1e-5)


def test_half_precision_features_have_a_float32_penalty():
    layer = layers.BatchSpectralShrinkage(1.0, 1, dtype="mixed_bfloat16")
    features = keras.ops.cast(random_images(5, 9), "bfloat16")
    assert layer(features, training=True).dtype == "bfloat16"
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(features, "float32"))
    smallest = np.linalg.svd(rounded, compute_uv=False)[-1]
    assert layer.losses[0].dtype == "float32"
    assert float(layer.losses[0]) == pytest.approx(smallest**2, rel=1e-3)
