import sys

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.data import augmentation
from adafilter_tf.data.augmentation import addons


def augment(image, names, seed=0):
    chosen = augmentation.Augmentation(addons=names)
    key = tf.constant([seed, 1], tf.int64)
    step = tf.function(lambda x, key: augmentation.augment_image(x, chosen, key))
    return step(tf.constant(image, tf.float32), key).numpy()


@pytest.fixture
def image():
    """Bright in the upper left, [32, 32, 3]."""
    row = np.linspace(200.0, 20.0, 32)
    return np.stack([np.minimum(row[:, None], row)] * 3, -1) + [30.0, 0.0, -10.0]


@pytest.mark.parametrize("name", addons.OPERATIONS)
def test_operation_changes_an_image_by_its_key_alone(image, name):
    pytest.importorskip("tensorflow_addons", exc_type=ImportError)
    results = [augment(image, (name,), seed) for seed in range(6)]
    np.testing.assert_array_equal(results[0], augment(image, (name,), 0))
    assert max(np.abs(result - image).max() for result in results) > 1
    assert len({result.tobytes() for result in results}) > 1
    for result in results:
        assert result.shape == image.shape
        assert result.min() >= 0 and result.max() <= 255


def test_hue_of_a_grey_image_stays(image):
    pytest.importorskip("tensorflow_addons", exc_type=ImportError)
    grey = image[..., :1]
    np.testing.assert_array_equal(augment(grey, ("hsv",)), grey.astype("float32"))


@pytest.mark.parametrize("text", ["tfa", "tfa:", "tfa:spin", "rotate", "tfa:rotate,,"])
def test_unknown_operation_is_refused_with_those_that_exist(text):
    with pytest.raises(errors.UsageError, match="rotate, translate, cutout"):
        addons.parse_operations(text)


def test_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_addons", None)
    with pytest.raises(errors.UsageError, match="pip install -r requirements-addons"):
        addons.parse_operations("tfa:rotate,cutout")


def test_no_operation_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_addons", None)
    assert addons.parse_operations(None) == ()
