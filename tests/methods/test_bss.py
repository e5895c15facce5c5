import keras
import numpy as np
import pytest

from adafilter_tf import layers
from adafilter_tf.methods import bss, fine_tuning
from tests.conftest import LABELS, compile_sgd, random_images, tiny_resnet


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


def test_method_adds_the_penalty_to_the_loss_of_fine_tuning():
    """Of the features that the backbone gives in training, by their singular values."""
    images = random_images(8, 8, 8, 3)
    losses = []
    for build, options in (
        (fine_tuning.build, {}),
        (bss.build, {"spectral_shrinkage": 2.0}),
    ):
        keras.utils.set_random_seed(3)
        model = compile_sgd(build(tiny_resnet(), 3, **options))
        losses.append(float(model.train_on_batch(images, LABELS)[0]))
    keras.utils.set_random_seed(3)
    backbone = tiny_resnet()
    features = np.mean(backbone(images, training=True), axis=(1, 2))
    smallest = np.linalg.svd(features, compute_uv=False)[-1]
    assert losses[1] - losses[0] == pytest.approx(2.0 * smallest**2, rel=1e-3)
