import io
import resource
import struct
import time
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import decoding

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0, max_pixels=None)
SHAPE = [8, 8, 3]
HOSTILE = {
    "empty": b"",
    "text": b"text",
    "zeros": b"\0" * 100,
    "start of a JPEG": b"\xff\xd8\xff",
    "start of a PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF89a" + b"\0" * 20,
    "WebP": b"RIFF\x24\0\0\0WEBPVP8 ",
}


def noise(seed=0, size=(20, 30, 3)):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def encode(image, encoder=tf.io.encode_jpeg):
    return encoder(image).numpy()


def png_of_zeros(height, width):
    """As small as deflate makes it: a thousand bytes of pixels per byte."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", checksum)
        )

    rows = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    compressed = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", compressed)
        + chunk(b"IEND", b"")
    )


def decode(encoded):
    return preprocessing.preprocess_for_evaluation(encoded, SPEC)


@pytest.fixture(scope="module")
def decode_valid():
    return tf.function(
        lambda encoded: decoding.decode_valid(encoded, decode, SHAPE),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def with_png_size(height, width):
    encoded = encode(noise(), tf.io.encode_png)
    return encoded[:16] + struct.pack(">II", width, height) + encoded[24:]


def with_jpeg_size(height, width):
    encoded = bytearray(encode(noise()))
    start = encoded.index(b"\xff\xc0") + 5
    encoded[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(encoded)


def test_each_broken_image_costs_only_its_own_row(decode_valid):
    """16 images of which 10 are hostile."""
    good = [encode(noise(i), tf.io.encode_png) for i in range(3)]
    good += [encode(noise(i)) for i in range(3, 6)]
    hostile = [
        *HOSTILE.values(),
        good[5][:-200],
        with_png_size(60_000, 60_000),
        with_jpeg_size(60_000, 60_000),
    ]
    order = np.random.default_rng(0).permutation(16)
    batch = [[*good, *hostile][i] for i in order]
    images, valid = decode_valid(tf.constant(batch))
    np.testing.assert_array_equal(valid, order < 6)
    assert images.shape == (16, *SHAPE)
    for image, index in zip(images, order, strict=True):
        expected = decode(tf.constant(good[index])) if index < 6 else np.zeros(SHAPE)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photograph_is_served_upright(decode_valid, orientation):
    pixels = noise(orientation)
    tags = Image.Exif()
    tags[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=tags)
    images, _ = decode_valid(tf.constant([stream.getvalue()]))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(stream)))
    expected = preprocessing.preprocess_decoded(upright, SPEC)
    np.testing.assert_array_equal(images[0], expected)


def test_batch_of_broken_images_alone_is_answered(decode_valid):
    images, valid = decode_valid(tf.constant(list(HOSTILE.values())))
    assert not np.any(valid) and not np.any(images)


def test_strict_decoding_gives_the_same_or_an_error():
    good = [encode(noise(i)) for i in range(3)]
    images = decoding.decode_all(tf.constant(good), decode, SHAPE)
    expected = [decode(tf.constant(encoded)) for encoded in good]
    np.testing.assert_array_equal(images, expected)
    for encoded in HOSTILE.values():
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match="Invalid JPEG data|neither a JPEG nor a PNG file|Invalid PNG",
        ):
            decoding.decode_all(tf.constant([good[0], encoded]), decode, SHAPE)


def test_mutated_files_neither_hang_nor_fail(decode_valid):
    """A thousand files with 1 to 20 changed bytes, cut or doubled."""
    rng = np.random.default_rng(0)
    seeds = [encode(noise()), encode(noise(), tf.io.encode_png)]
    slowest, flagged = 0.0, 0
    for _ in range(1000):
        mutated = np.frombuffer(seeds[rng.integers(2)], np.uint8).copy()
        places = rng.integers(0, len(mutated), rng.integers(1, 21))
        mutated[places] = rng.integers(0, 256, len(places))
        start, end = np.sort(rng.integers(0, len(mutated), 2))
        encoded = mutated.tobytes()
        encoded = [encoded, encoded[:end], encoded[:end] + encoded[start:]][
            rng.integers(3)
        ]
        began = time.process_time()
        images, valid = decode_valid(tf.constant([encoded, seeds[0]]))
        slowest = max(slowest, time.process_time() - began)
        flagged += int(not valid[0])
        assert bool(valid[1]) and np.all(np.isfinite(images))
    assert slowest < 5  # seconds of the processor
    assert 100 < flagged < 1000  # some do harm, and not all


def test_bomb_is_refused_by_its_header(decode_valid):
    """Half a megabyte that would be 510 MB of pixels."""
    bomb = tf.constant([png_of_zeros(13_000, 13_000)])
    assert 450_000 < len(bomb.numpy()[0]) < 600_000
    decode_valid(tf.constant([encode(noise())]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    _, valid = decode_valid(bomb)
    seconds = time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert not valid[0]
    assert grown < 50e6
    # Inflating 510 MB takes seconds of the processor; this reads 24 bytes.
    assert seconds < 1
