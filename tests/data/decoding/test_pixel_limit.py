"""Files that promise more pixels than they should."""

import struct

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.data.decoding import pixel_limit, preprocessing


def encode(encoder):
    return encoder(np.zeros([20, 30, 3], np.uint8)).numpy()


def with_png_size(height, width):
    encoded = encode(tf.io.encode_png)
    return encoded[:16] + struct.pack(">II", width, height) + encoded[24:]


def with_jpeg_size(height, width):
    encoded = bytearray(encode(tf.io.encode_jpeg))
    start = encoded.index(b"\xff\xc0") + 5
    encoded[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(encoded)


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [
        (0, 8_388_608),
        (524_288, 8_388_608),
        (1_000_000, 16_000_000),
        (10_000_000, 67_108_864),
    ],
)
def test_pixel_limit_grows_with_the_file_between_two_bounds(num_bytes, expected):
    assert pixel_limit.limit_pixels(tf.constant(num_bytes)).numpy() == expected


@pytest.mark.parametrize("with_size", [with_png_size, with_jpeg_size])
def test_pixel_limit_is_inclusive(with_size):
    # 2 ** 23 = 8192 * 1024
    encoded = with_size(8192, 1024)
    assert pixel_limit.bound_pixels(tf.constant(encoded), None).numpy() == encoded
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"(?s)more pixels than a file of its size may have; resize it.*8389632",
    ):
        pixel_limit.bound_pixels(tf.constant(with_size(8193, 1024)), None)


@pytest.mark.parametrize("side", [2**31 - 1, 2**31, 2**32 - 1])
def test_sides_that_overflow_are_refused(side):
    with pytest.raises(tf.errors.InvalidArgumentError, match="resize it"):
        pixel_limit.bound_pixels(tf.constant(with_png_size(side, side)))


@pytest.mark.parametrize("with_size", [with_png_size, with_jpeg_size])
def test_training_decodes_no_bomb_either(with_size):
    with pytest.raises(tf.errors.InvalidArgumentError, match="resize it"):
        preprocessing.decode_image(tf.constant(with_size(2**14, 2**15)), 3)


def test_flat_page_of_ones_own_is_no_bomb(encode):
    """An A4 page at 300 dpi has 8.7 megapixels in a few kilobytes."""
    page = encode(np.full([3508, 2480], 255, np.uint8), "PNG")
    assert len(page) * 16 < 3508 * 2480
    assert preprocessing.decode_image(page, 1).shape == (3508, 2480, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="resize it"):
        preprocessing.decode_image(tf.constant(page), 1, None)
