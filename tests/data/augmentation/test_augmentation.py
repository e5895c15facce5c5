"""Random crops, flips and MixUp, each a function of its key."""

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.data import augmentation
from adafilter_tf.data.augmentation import Augmentation


def _keys(count):
    return [tf.constant([5, i], tf.int64) for i in range(count)]


@pytest.mark.parametrize("min_area", [0.0, -0.1, 1.5])
def test_crop_area_out_of_range_is_refused(min_area):
    with pytest.raises(ValueError, match=rf"\(0, 1\], received {min_area}"):
        Augmentation(random_resized_crop_min_area=min_area)


def test_negative_mixup_alpha_is_refused():
    with pytest.raises(ValueError, match="0 or greater, received -1"):
        Augmentation(mixup_alpha=-1.0)


def test_random_boxes_keep_to_area_aspect_and_image():
    boxes = [augmentation.random_box(60, 80, 0.25, key).numpy() for key in _keys(200)]
    top, left, height, width = np.transpose(boxes)
    assert top.min() >= 0 and left.min() >= 0
    assert (top + height).max() <= 60 and (left + width).max() <= 80
    area = height * width / (60 * 80)
    assert 0.24 < area.min() < 0.35 and area.max() > 0.8  # pixels are whole
    assert 0.7 < (width / height).min() and (width / height).max() < 1.4


def test_flip_mirrors_about_half_of_the_images():
    image = tf.reshape(tf.range(12.0), [2, 3, 2])
    options = Augmentation(horizontal_flip=True)
    results = [
        augmentation.augment_image(image, options, k).numpy() for k in _keys(200)
    ]
    mirrored = [np.array_equal(r, image.numpy()[:, ::-1]) for r in results]
    same = [np.array_equal(r, image.numpy()) for r in results]
    assert sum(mirrored) + sum(same) == 200
    assert 70 < sum(mirrored) < 130  # binomial, 4 standard deviations


def test_default_augmentation_changes_nothing():
    image = tf.random.stateless_uniform([8, 8, 3], [1, 2])
    result = augmentation.augment_image(image, Augmentation(), _keys(1)[0])
    np.testing.assert_array_equal(result, image)


def test_mixup_blends_images_and_labels_with_the_same_weights():
    labels = np.eye(6, dtype=np.float32)
    # Image i is 0 but for channel i, so that its mean channel values show its label.
    images = np.tile(labels[:, None, None, :], [1, 4, 4, 1])
    mixed, mixed_labels = augmentation.mixup(images, labels, 1.0, _keys(1)[0])
    np.testing.assert_allclose(np.mean(mixed, (1, 2)), mixed_labels, atol=1e-6)
    np.testing.assert_allclose(np.sum(mixed_labels, 1), np.ones(6), atol=1e-6)
    assert np.sum(np.max(mixed_labels, 1) < 0.999) >= 3


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 3.0])
def test_mixup_weights_have_the_moments_of_the_beta_distribution(alpha):
    weights = augmentation.augmentation._sample_beta(
        tf.constant(20000), alpha, _keys(1)[0]
    ).numpy()
    assert np.all(np.isfinite(weights))
    np.testing.assert_allclose(weights.mean(), 0.5, atol=4 * 0.5 / np.sqrt(20000))
    # Var Beta(a, a) = 1 / (4 (2 a + 1))
    np.testing.assert_allclose(weights.var(), 1 / (4 * (2 * alpha + 1)), rtol=0.03)
