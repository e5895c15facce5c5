"""Decoding, cropping and resizing, against Pillow and against each other."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_decoded_pixels_equal_pillow(photograph, encode, format):
    encoded = encode(photograph, format)
    expected = np.asarray(Image.open(io.BytesIO(encoded)))
    np.testing.assert_array_equal(preprocessing.decode_image(encoded, 3), expected)


def test_grey_file_becomes_three_equal_channels(photograph, encode):
    grey = photograph[..., 0]
    decoded = preprocessing.decode_image(encode(grey, "PNG"), 3)
    np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, -1))


def test_sixteen_bit_png_keeps_its_upper_eight_bits():
    values = np.array([[[0], [255], [256], [65535]]], np.uint16)
    encoded = tf.io.encode_png(values)
    decoded = preprocessing.decode_image(encoded, 1)
    np.testing.assert_array_equal(decoded, [[[0], [0], [1], [255]]])


@pytest.mark.parametrize("alpha", [0, 7, 200, 255])
def test_transparency_shows_a_white_background(photograph, encode, alpha):
    channel = np.full_like(photograph[..., :1], alpha)
    encoded = encode(np.concatenate([photograph, channel], -1), "PNG")
    expected = photograph * (alpha / 255) + 255 * (1 - alpha / 255)
    decoded = preprocessing.decode_image(encoded, 3).numpy()
    np.testing.assert_allclose(decoded, expected, atol=0.5001)
    cropped = preprocessing.decode_crop_and_resize(
        tf.constant(encoded), lambda h, w: [0, 0, 8, 8], image_size=8, channels=3
    )
    np.testing.assert_array_equal(cropped, decoded[:8, :8])
    grey = preprocessing.decode_image(encoded, 1).numpy()
    opaque = preprocessing.decode_image(encode(photograph, "PNG"), 1).numpy()
    expected = opaque * (alpha / 255) + 255 * (1 - alpha / 255)
    np.testing.assert_allclose(grey, expected, atol=0.5001)


def test_transparency_shows_the_background_that_is_asked_for(photograph, encode):
    clear = np.zeros_like(photograph[..., :1])
    encoded = encode(np.concatenate([photograph, clear], -1), "PNG")
    spec = ImageSpec(8, 3, 1.0, background=(10, 200, 30))
    pixels = preprocessing.preprocess_for_evaluation(tf.constant(encoded), spec)
    np.testing.assert_allclose(pixels, np.full([8, 8, 3], [10, 200, 30]), atol=1e-3)
    grey = preprocessing.decode_image(encoded, 1, background=(10, 200, 30)).numpy()
    opaque = encode(np.full([1, 1, 3], [10, 200, 30], np.uint8), "PNG")
    assert set(grey.ravel()) == {preprocessing.decode_image(opaque, 1).numpy().item()}


def test_transparent_colour_of_a_palette_is_white(encode):
    colours = Image.fromarray(np.array([[10, 20]], np.uint8))
    colours = colours.convert("P")
    stream = io.BytesIO()
    colours.save(stream, "PNG", transparency=colours.getpixel((0, 0)))
    decoded = preprocessing.decode_image(stream.getvalue(), 3).numpy()
    assert decoded[0, 0].tolist() == [255] * 3 and decoded[0, 1].tolist() == [20] * 3


@pytest.mark.parametrize("encoded", [b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n"])
def test_other_bytes_are_an_error(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        preprocessing.decode_image(tf.constant(encoded), 3)


def test_gif_is_refused_although_tensorflow_reads_it(photograph, encode):
    encoded = encode(photograph[..., 0], "GIF")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="neither a JPEG nor a PNG"
    ):
        preprocessing.decode_image(tf.constant(encoded), 3)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_cropped_decode_equals_slice_of_whole_image(
    photograph, encode, subsampling, progressive
):
    encoded = encode(photograph, subsampling=subsampling, progressive=progressive)
    whole = np.asarray(Image.open(io.BytesIO(encoded)))
    rng = np.random.default_rng(0)
    for _ in range(20):
        size = int(rng.integers(1, 61))
        top, left = int(rng.integers(0, 62 - size)), int(rng.integers(0, 84 - size))
        # A square box resized to its own size is the box itself.
        crop = preprocessing.decode_crop_and_resize(
            encoded,
            lambda height, width, box=(top, left, size, size): tf.constant(box),
            image_size=size,
            channels=3,
        )
        expected = whole[top : top + size, left : left + size]
        np.testing.assert_array_equal(crop, expected)


def test_evaluation_takes_the_central_square():
    image = np.arange(6 * 9, dtype=np.float32).reshape(6, 9, 1)
    # 0.7 * 6 = 4.2: a square of side 4, one row and two columns from the corner.
    result = preprocessing.preprocess_decoded(image, ImageSpec(4, 1, 0.7))
    np.testing.assert_array_equal(result, image[1:5, 2:6])


def test_halving_weighs_pixels_by_an_antialiasing_triangle():
    image = np.zeros([8, 8, 1], np.float32)
    image[:, 4] = 128.0
    result = preprocessing.preprocess_decoded(image, ImageSpec(4, 1, 1.0))
    # Triangle of half-width 2: weights 1/8, 3/8, 3/8, 1/8 around each new pixel.
    np.testing.assert_allclose(result[1, :, 0], [0.0, 16.0, 48.0, 0.0], atol=1e-4)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_and_decoded_pixels_give_the_same_in_graph_without_autograph(
    photograph, encode, format, channels
):
    spec = ImageSpec(16, channels, 0.875)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.string)])
    def from_bytes(encoded):
        return preprocessing.preprocess_for_evaluation(encoded, spec)

    encoded = encode(photograph, format)
    decoded = preprocessing.decode_image(encoded, channels)
    expected = preprocessing.preprocess_decoded(decoded, spec)
    result = from_bytes(encoded)
    assert from_bytes.get_concrete_function().output_shapes == [16, 16, channels]
    np.testing.assert_array_equal(result, expected)
    assert np.ptp(result) > 50


def test_one_pixel_image_fills_the_square(encode):
    encoded = encode(np.full([1, 1, 3], 200, np.uint8), "PNG")
    result = preprocessing.preprocess_for_evaluation(encoded, ImageSpec(4, 3, 0.1))
    np.testing.assert_array_equal(result, np.full([4, 4, 3], 200.0))


def test_spec_of_a_model_is_that_of_its_input():
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten()])
    spec = ImageSpec.of(model, crop_fraction=0.5)
    assert spec == ImageSpec(image_size=6, channels=1, crop_fraction=0.5)
    assert spec.shape == (6, 6, 1)


@pytest.mark.parametrize("shape", [(None, None, 3), (6, 8, 3), (7,)])
def test_spec_of_a_model_without_square_images_is_refused(shape):
    model = keras.Sequential([keras.Input(shape), keras.layers.Activation("relu")])
    with pytest.raises(ValueError, match=f"{', '.join(map(str, shape))}"):
        ImageSpec.of(model, crop_fraction=1.0)
