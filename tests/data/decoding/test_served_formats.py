"""Files of other kinds that a served model takes."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adafilter_tf.data.decoding import conversion, preprocessing, served_formats

_TO_PNG = tf.function(
    served_formats.to_png,
    input_signature=[tf.TensorSpec([], tf.string)],
    autograph=False,
)


def to_png(encoded):
    return _TO_PNG(tf.constant(encoded)).numpy()


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("GIF", "RGB", {}),
        ("GIF", "L", {"save_all": True}),
        ("GIF", "RGBA", {}),
        ("GIF", "P", {"transparency": 7}),
        ("BMP", "RGB", {}),
    ],
)
def test_served_pixels_are_those_of_training(photograph, format, mode, options):
    alpha = np.repeat(np.arange(83, dtype=np.uint8)[None, :, None] * 3, 61, 0)
    image = Image.fromarray(np.concatenate([photograph, alpha], -1)).convert(mode)
    stream = io.BytesIO()
    if "save_all" in options:
        options = {**options, "append_images": [image.rotate(90)]}
    image.save(stream, format, **options)
    trained, _ = conversion.convert(stream.getvalue())
    for channels in (1, 3):
        served = preprocessing.decode_image(to_png(stream.getvalue()), channels)
        expected = preprocessing.decode_image(trained, channels)
        np.testing.assert_allclose(
            served.numpy().astype(int), expected.numpy(), atol=int(channels == 1)
        )


def test_transparent_colour_of_a_gif_shows_the_background(photograph):
    image = Image.fromarray(photograph).quantize(16)
    for options in ({}, {"interlace": 1}):
        stream = io.BytesIO()
        image.save(stream, "GIF", transparency=3, **options)
        trained, _ = conversion.convert(stream.getvalue())
        assert trained is not None
        colour = (10, 200, 30)
        expected = preprocessing.decode_image(trained, 3, background=colour).numpy()
        served = served_formats.to_png(tf.constant(stream.getvalue()), colour)
        pixels = preprocessing.decode_image(served, 3).numpy()
        np.testing.assert_array_equal(pixels, expected)
        clear = np.asarray(image) == 3
        assert clear.any() and (pixels[clear] == colour).all()


def _with_smaller_frame(photograph, encode):
    content = bytearray(encode(photograph, "GIF"))
    content[6:8] = (int.from_bytes(content[6:8], "little") + 5).to_bytes(2, "little")
    return bytes(content)


def test_jpeg_and_png_stay_as_they_are(photograph, encode):
    for format in ("JPEG", "PNG"):
        assert to_png(encode(photograph, format)) == encode(photograph, format)


def _large_gif(photograph, encode):
    content = bytearray(encode(photograph, "GIF"))
    place = content.index(b",\0\0\0\0") + 5
    content[place : place + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


def test_what_a_decoder_does_not_stand_is_refused(photograph, encode):
    image = Image.fromarray(photograph)
    stream = io.BytesIO()
    image.save(stream, "WEBP", save_all=True, append_images=[image.rotate(90)])
    webp, bmp = encode(photograph, "WEBP"), encode(photograph, "BMP")
    refused = {
        "animated WebP": stream.getvalue(),
        "palette": encode(np.asarray(image.quantize(9)), "BMP"),
        "large GIF": _large_gif(photograph, encode),
        "GIF whose image fills not all": _with_smaller_frame(photograph, encode),
        "large WebP": webp[:26] + b"\xff\x3f\xff\x3f" + webp[30:],
        "large BMP": bmp[:18] + b"\xff\xff\xff\x7f" * 2 + bmp[26:],
        "GIF without an image": b"GIF89a" + bytes(7) + b";",
        "text": b"hello",
        "nothing": b"",
    }
    accepted = [name for name, content in refused.items() if to_png(content) != b""]
    assert accepted == []


def test_images_behind_the_first_are_not_decoded(photograph, encode):
    """The second one promises four billion pixels."""
    bomb = _large_gif(photograph, encode)
    first = encode(photograph, "GIF")
    start = bomb.index(b",\0\0\0\0")
    both = first[:-1] + bomb[start:]
    assert to_png(both) == to_png(first) != b""
