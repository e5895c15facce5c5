"""Image files for the tests of data/."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photograph():
    """A real photograph, uint8 [61, 83, 3]."""
    from sklearn import datasets

    return datasets.load_sample_image("flower.jpg")[100:222:2, 200:366:2]


@pytest.fixture
def encode():
    """Function from a uint8 array to the bytes of a file, by Pillow."""

    def encode_array(array, format="JPEG", **options):
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, format, **options)
        return stream.getvalue()

    return encode_array


@pytest.fixture
def make_folder(tmp_path, encode):
    """Function that writes a PNG at each path (8x8, its own grey value)."""

    def make(*names):
        for value, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(np.full([8, 8], value, np.uint8), "PNG"))
        return tmp_path

    return make


@pytest.fixture
def images(photograph, encode):
    """Six files that differ."""
    return [encode(photograph[i:]) for i in range(6)]
