"""RandAugment's operations against Pillow, which the paper's own code follows."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from adafilter_tf.data.augmentation import randaugment


def _enhance(enhancer, sign):
    return lambda image: enhancer(image).enhance(1.0 + sign * 0.81)


_FILL = (128, 128, 128)
PILLOW = {
    ("identity", 1): lambda image: image,
    ("auto_contrast", 1): ImageOps.autocontrast,
    ("equalize", 1): ImageOps.equalize,
    ("solarize", 1): lambda image: ImageOps.solarize(image, 230),
    ("posterize", 1): lambda image: ImageOps.posterize(image, 3),
}
for _name, _enhancer in {
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "brightness": ImageEnhance.Brightness,
    "sharpness": ImageEnhance.Sharpness,
}.items():
    for _sign in (-1, 1):
        PILLOW[_name, _sign] = _enhance(_enhancer, _sign)


@pytest.mark.parametrize("name,sign", PILLOW)
def test_operation_on_values_equals_pillow(photograph, name, sign):
    expected = PILLOW[name, sign](Image.fromarray(photograph))
    image = tf.constant(photograph, tf.float32)
    result = randaugment.OPERATIONS[name](image, tf.constant(float(sign)))
    # Pillow rounds or cuts to integers, in sharpness and contrast twice.
    np.testing.assert_allclose(result, np.asarray(expected), atol=2.0)


def test_rotation_about_the_centre_equals_pillow(photograph):
    square = photograph[:40, :40]
    for sign in (-1.0, 1.0):
        expected = Image.fromarray(square).rotate(
            sign * 27.0, Image.Resampling.BILINEAR, fillcolor=_FILL
        )
        result = randaugment.rotate(tf.constant(square, tf.float32), tf.constant(sign))
        difference = np.abs(result - np.asarray(expected, np.float32))
        # The two differ at the border, where only one of them blends with the fill.
        assert np.median(difference) <= 0.5
        assert np.mean(difference[10:30, 10:30]) < 0.6


def test_shift_moves_columns_and_rows_by_two_fifths_of_the_side():
    image = tf.reshape(tf.range(56.0 * 56.0), [56, 56, 1])
    # 90 / 224 * 56 = 22.5 pixels: between two columns, 22 and 23 away.
    moved = randaugment.translate_x(image, tf.constant(1.0)).numpy()
    expected = (image[:, 22:55] + image[:, 23:56]).numpy() / 2
    np.testing.assert_allclose(moved[:, :33], expected, atol=1e-2)
    np.testing.assert_array_equal(moved[:, 34:], np.full([56, 22, 1], 128.0))
    turned = randaugment.translate_y(tf.transpose(image, [1, 0, 2]), tf.constant(1.0))
    np.testing.assert_array_equal(np.transpose(turned, [1, 0, 2]), moved)


def test_shear_leaves_the_centre_row_and_moves_others():
    column = np.zeros([21, 21, 1], np.float32)
    column[:, 10] = 100.0
    for sign in (-1.0, 1.0):
        result = randaugment.shear_x(tf.constant(column), tf.constant(sign)).numpy()
        inner = result[3:18, 4:17, 0]  # without the fill at the corners
        centre = inner @ np.arange(4, 17) / 100.0
        slope = -sign * 0.27
        np.testing.assert_allclose(centre, 10 + slope * np.arange(-7, 8), atol=1e-3)
        other = randaugment.shear_y(
            tf.transpose(column, [1, 0, 2]), tf.constant(sign)
        ).numpy()
        np.testing.assert_allclose(other[..., 0].T, result[..., 0], atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_keeps_shape_and_range(photograph, channels):
    image = tf.constant(photograph[:16, :16, :channels], tf.float32)
    for operation in randaugment.OPERATIONS.values():
        for sign in (-1.0, 1.0):
            result = operation(image, tf.constant(sign)).numpy()
            assert result.shape == (16, 16, channels)
            assert np.all((result >= 0.0) & (result <= 255.0))


def test_same_key_same_image_and_other_keys_others(photograph):
    image = tf.constant(photograph[:16, :16], tf.float32)
    keys = [tf.constant([1, i], tf.int64) for i in range(20)]
    first = [randaugment.randaugment(image, key).numpy() for key in keys]
    again = [randaugment.randaugment(image, key).numpy() for key in keys]
    np.testing.assert_array_equal(first, again)
    assert len({result.tobytes() for result in first}) > 12
