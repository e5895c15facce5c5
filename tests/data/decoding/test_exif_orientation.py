"""EXIF orientation against Pillow's reading of the same files."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from adafilter_tf.data.decoding import exif_orientation, preprocessing

ORIENTATIONS = range(1, 9)
SEGMENTS = {
    "none": b"",
    "JFIF": b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
    "comment and fill bytes": b"\xff\xfe\0\x0eExif\0\0 no..\xff\xff",
    "XMP and a large profile": b"\xff\xe1\0\x0bhttp://x\0"
    b"\xff\xe2\xff\xff" + b"ICC_PROFILE\0" + b"\7" * (65_533 - 12),
}


def exif(value, *, order="<", tags_before=0, kind=3, count=1, offset=8):
    """A TIFF structure with an orientation and other tags around it."""
    number = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
    entries = [
        struct.pack(order + "HHI4s", 0x0050 + tag, 4, 1, b"\1\2\3\4")
        for tag in range(tags_before)
    ]
    entries.append(struct.pack(order + "HHI", 0x0112, kind, count) + number)
    entries.append(struct.pack(order + "HHI4s", 0x0213, 3, 1, b"\1\0\0\0"))
    head = b"II*\0" if order == "<" else b"MM\0*"
    head += struct.pack(order + "I", offset) + bytes(offset - 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def with_exif(jpeg, tiff, before=b""):
    """A JPEG file whose EXIF segment comes after other segments."""
    start = jpeg.index(b"\xff\xdb")  # Pillow's JFIF segment is left out
    content = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    return b"\xff\xd8" + before + segment + jpeg[start:]


def upright(encoded):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))


def read(encoded):
    return int(exif_orientation.read_orientation(tf.constant(encoded)))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("before", SEGMENTS.values(), ids=SEGMENTS)
def test_all_orientations_are_undone_as_pillow_does(photograph, encode, order, before):
    jpeg = encode(photograph)
    for value in ORIENTATIONS:
        encoded = with_exif(jpeg, exif(value, order=order), before)
        assert read(encoded) == value
        np.testing.assert_array_equal(
            preprocessing.decode_image(encoded, 3), upright(encoded)
        )


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    "options",
    [{"tags_before": 15}, {"kind": 4}, {"offset": 30}],
    ids=["among other tags", "32-bit", "directory elsewhere"],
)
def test_other_layouts_are_read(photograph, encode, order, options):
    encoded = with_exif(encode(photograph), exif(6, order=order, **options))
    assert upright(encoded).shape[:2] == photograph.shape[1::-1]
    assert read(encoded) == 6


@pytest.mark.parametrize("value", ORIENTATIONS)
def test_chunk_of_a_png_is_read(photograph, encode, value):
    tags = Image.Exif()
    tags[0x0112] = value
    encoded = encode(photograph, "PNG", exif=tags, dpi=(72, 72))
    np.testing.assert_array_equal(
        preprocessing.decode_image(encoded, 3), upright(encoded)
    )


@pytest.mark.parametrize(
    "tiff",
    [
        exif(0),
        exif(9),
        exif(6, count=2),
        exif(6, kind=2),
        exif(6)[:8],
        exif(6)[:20],
        b"II+\0" + exif(6)[4:],
        exif(6)[:4] + b"\xff\xff\xff\xff" + exif(6)[8:],
        exif(6)[:8] + b"\xff\xff" + bytes(100),
        b"",
    ],
    ids=str,
)
def test_damaged_exif_is_no_orientation(photograph, encode, tiff):
    assert read(with_exif(encode(photograph), tiff)) == 1


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"Exif\0\0",
        b"\xff\xd8\xffExif\0\0",
        b"\xff\xd8\xff\xe1\0\0Exif\0\0" + exif(6),
        b"\xff\xd8\xff\xe1\xff\xffExif\0\0",
        b"\xff\xd8" + b"\xff\xe0\0\2" * 10_000 + b"Exif\0\0",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffeXIf",
        b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffabcdeXIf",
    ],
    ids=lambda encoded: str(encoded[:20]),
)
def test_no_bytes_are_an_error(encoded):
    assert read(encoded) == 1


def test_mutated_exif_is_never_an_error(photograph, encode):
    """A thousand files with 1 to 20 changed bytes in their first 200."""
    rng = np.random.default_rng(0)
    jpeg = with_exif(encode(photograph), exif(6, tags_before=5), SEGMENTS["JFIF"])
    found = []
    for _ in range(1000):
        mutated = np.frombuffer(jpeg, np.uint8).copy()
        places = rng.integers(2, 200, rng.integers(1, 21))
        mutated[places] = rng.integers(0, 256, len(places))
        end = rng.integers(50, len(jpeg))
        found.append(read(mutated[:end].tobytes()))
    assert set(found) <= set(ORIENTATIONS)
    assert 100 < found.count(6) < 1000


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("value", ORIENTATIONS)
def test_box_is_cropped_from_the_upright_image(photograph, encode, format, value):
    tags = Image.Exif()
    tags[0x0112] = value
    encoded = encode(photograph, format, exif=tags)
    whole = upright(encoded)
    rng = np.random.default_rng(value)
    for _ in range(5):
        size = int(rng.integers(1, 61))
        top, left = (int(rng.integers(0, side + 1 - size)) for side in whole.shape[:2])
        # A square box resized to its own size is the box itself.
        crop = preprocessing.decode_crop_and_resize(
            encoded,
            lambda height, width, box=(top, left, size, size): tf.constant(box),
            image_size=size,
            channels=3,
        )
        np.testing.assert_array_equal(crop, whole[top : top + size, left : left + size])
