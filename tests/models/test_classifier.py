import numpy as np

from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.models import classifier
from tests.conftest import random_images, tiny_resnet


def test_methods_of_one_seed_start_from_the_same_function():
    backbone = tiny_resnet()
    gated, plain = adafilter.build(backbone, 3), fine_tuning.build(backbone, 3)
    images = random_images(2, 8, 8, 3)
    assert np.abs(gated(images) - plain(images)).max() > 1e-2
    for model in (gated, plain):
        classifier.initialize_head(model, seed=7)
    np.testing.assert_allclose(gated(images), plain(images), atol=1e-5)
    classifier.initialize_head(plain, seed=8)
    assert np.abs(gated(images) - plain(images)).max() > 1e-2
