"""Images that Pillow reads and TensorFlow does not."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adafilter_tf.data.decoding import conversion, preprocessing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    conversion.keep_below(None)  # an earlier run in this process may have had a folder


@pytest.mark.parametrize("format", ["WEBP", "GIF", "BMP", "TIFF", "AVIF", "TGA", "ICO"])
def test_pixels_are_those_that_pillow_sees(tmp_path, photograph, encode, format):
    encoded = encode(photograph, format)
    (tmp_path / "image").write_bytes(encoded)
    read = tf.function(
        conversion.read_bytes, input_signature=[tf.TensorSpec([], tf.string)]
    )
    decoded = preprocessing.decode_image(read(str(tmp_path / "image")), 3)
    expected = Image.open(tmp_path / "image").convert("RGBA")
    white = Image.new("RGBA", expected.size, "white")
    expected = Image.alpha_composite(white, expected).convert("RGB")
    np.testing.assert_allclose(decoded, np.asarray(expected), atol=1)


def test_image_is_converted_once(photograph, encode, monkeypatch):
    encoded = encode(photograph, "BMP")
    first = conversion.convert(encoded)
    assert len(list(conversion.cache_folder().rglob("*.png"))) == 1
    monkeypatch.setattr(conversion, "_to_png", None)
    assert conversion.convert(encoded) == first
    assert conversion.convert(b"BM") == (
        None,
        "a file of an unknown kind, not an image",
    )


def test_folder_for_converted_images_is_chosen(tmp_path, photograph, encode):
    conversion.keep_below(str(tmp_path / "mine"))
    conversion.convert(encode(photograph, "BMP"))
    conversion.keep_below(None)
    assert len(list((tmp_path / "mine/adafilter_tf/converted").rglob("*.png"))) == 1
    assert not (tmp_path / "data").exists()


def test_jpeg_and_png_stay_as_they_are(photograph, encode):
    for format in ("JPEG", "PNG"):
        encoded = encode(photograph, format)
        assert conversion.convert(encoded) == (encoded, None)
    assert not conversion.cache_folder().exists()


def test_folder_that_cannot_be_written_costs_the_cache_only(
    tmp_path, photograph, encode, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file"))
    converted, reason = conversion.convert(encode(photograph, "BMP"))
    assert reason is None
    np.testing.assert_array_equal(preprocessing.decode_image(converted, 3), photograph)


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.tif")
    converted, _ = conversion.convert((tmp_path / "deep.tif").read_bytes())
    decoded = preprocessing.decode_image(converted, 1).numpy()
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 255]


def test_values_that_are_no_pixels_are_explained(tmp_path):
    Image.fromarray(np.array([[-1.5, 2e6]], np.float32)).save(tmp_path / "a.tif")
    content = pathlib.Path(tmp_path / "a.tif").read_bytes()
    converted, reason = conversion.convert(content)
    assert converted is None and "values from -1.5 to 2000000.0" in reason


def test_pipeline_error_names_what_the_file_is(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%PDF-1.7")
    with pytest.raises(tf.errors.InvalidArgumentError, match="a PDF file, not an"):
        tf.function(conversion.read_bytes)(tf.constant(str(tmp_path / "a.jpg")))
