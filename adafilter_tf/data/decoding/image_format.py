"""The kind of an image file, from its first bytes, and what is wrong with it."""

import os
import stat
from collections.abc import Callable

import tensorflow as tf

from adafilter_tf.data.decoding import pixel_limit

# No image of MAX_PIXELS is larger: 16 bits for each of four channels.
MAX_BYTES = 8 * pixel_limit.MAX_PIXELS

_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_OTHERS = {
    b"GIF8": "a GIF file",
    b"BM": "a BMP file",
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"%PDF": "a PDF file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an ICO file",
    b"\0\0\0\x0cJXL ": "a JPEG XL file",
    b"\xff\x0a": "a JPEG XL file",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"version https://git-lfs": "a Git LFS pointer, whose content was not fetched",
    b"<": "an HTML or SVG text",
}
# Containers, by what stands at byte 8.
_CONTAINED = {
    (b"RIFF", 0, b"WEBP"): "a WebP file",
    (b"ftyp", 4, b"avi"): "an AVIF file",
    (b"ftyp", 4, b"hei"): "a HEIC file",
    (b"ftyp", 4, b"mif"): "a HEIF file",
    (b"ftyp", 4, b""): "a video",
}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def suffix_of(encoded: bytes) -> str | None:
    """Suffix for the two supported formats, .jpg or .png; None for any other."""
    for signature, suffix in _SUFFIXES.items():
        if encoded.startswith(signature):
            return suffix
    return None


def describe(encoded: bytes) -> str:
    """What bytes that are neither JPEG nor PNG seem to be, as a part of a sentence."""
    if not encoded:
        return "an empty file"
    for (outer, position, inner), kind in _CONTAINED.items():
        if encoded.startswith(outer, position) and encoded.startswith(inner, 8):
            return kind
    for signature, kind in _OTHERS.items():
        if encoded.startswith(signature):
            return kind
    if not encoded.strip(b"\0"):
        return "a file of zeros"
    return "neither a JPEG nor a PNG file"


def explain(encoded: bytes, *, channels: int = 3) -> str:
    """Why bytes cannot be decoded to 1 or 3 channels, as a part of a sentence."""
    suffix = suffix_of(encoded)
    if suffix is None:
        return f"{describe(encoded)}; only JPEG and PNG are supported"
    excess = pixel_limit.describe_excess(encoded)
    if excess is not None:
        return excess
    if suffix == ".png":
        return "a truncated or damaged PNG file"
    # TensorFlow cannot convert CMYK to grey, and its error does not say so.
    cmyk = " (or a CMYK one)" * (channels == 1)
    return f"a truncated or damaged JPEG file{cmyk}"


def read_file(path: str) -> tuple:
    """The bytes of a file and None; or None and the reason, part of a sentence.

    What is no regular file is not opened: a pipe would be waited for, a device read for
    ever.
    """
    try:
        status = os.stat(path)
        kind = stat.S_IFMT(status.st_mode)
        if kind != stat.S_IFREG:
            return None, f"{_KINDS.get(kind, 'something')}, not a file"
        if status.st_size > MAX_BYTES:
            return None, (
                f"a file of {status.st_size} bytes, more than the {MAX_BYTES} that an "
                "image may have; resize it"
            )
        with open(path, "rb") as file:
            return file.read(), None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        return None, getattr(error, "strerror", None) or str(error)


def read_image(path: str, decode: Callable, *, channels: int) -> tuple:
    """Reads and decodes a file without an exception for what may be wrong with it.

    Args:
        path: Of a JPEG or PNG file.
        decode: From its bytes, scalar string, to whatever is wanted.
        channels: To which `decode` decodes.

    Returns:
        What `decode` gives and None; or None and the reason, part of a sentence.
    """
    encoded, reason = read_file(path)
    if reason is not None:
        return None, reason
    if suffix_of(encoded) is None:
        return None, explain(encoded)
    try:
        return decode(tf.constant(encoded)), None
    except tf.errors.InvalidArgumentError:
        return None, explain(encoded, channels=channels)
