import keras
import numpy as np
import pytest

from adafilter_tf import layers
from adafilter_tf.methods import bss, fine_tuning
from tests.conftest import LABELS, compile_sgd, random_images, tiny_resnet


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


def test_penalty_alone_shrinks_the_weakest_direction():
    """The gradient goes through the features into the backbone."""
    images = random_images(8, 8, 8, 3)
    model = bss.build(tiny_resnet(), 3, spectral_shrinkage=1.0)
    model.compile(keras.optimizers.SGD(0.05), loss=lambda labels, logits: 0.0 * logits)
    losses = [float(model.train_on_batch(images, LABELS)) for _ in range(10)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_features_that_are_no_numbers_make_a_loss_that_is_none(value):
    """In place of an error of the decomposition, which would hide what happened."""
    layer = layers.BatchSpectralShrinkage()
    features = np.ones((4, 3), "float32")
    features[1, 2] = value
    layer(features, training=True)
    (loss,) = layer.losses
    assert not np.isfinite(loss)
