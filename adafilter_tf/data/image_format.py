"""The kind of an image file, from its first bytes, and what is wrong with it."""

from collections.abc import Callable

import tensorflow as tf

_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_OTHERS = {
    b"GIF8": "a GIF file",
    b"BM": "a BMP file",
    b"RIFF": "a WebP file",
    b"II*\0": "a TIFF file",
    b"MM\0*": "a TIFF file",
    b"<": "an HTML or SVG text",
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
    for signature, kind in _OTHERS.items():
        if encoded.startswith(signature):
            return kind
    return "neither a JPEG nor a PNG file"


def read_image(path: str, decode: Callable, *, channels: int) -> tuple:
    """Reads and decodes a file without an exception for what may be wrong with it.

    Args:
        path: Of a JPEG or PNG file.
        decode: From its bytes, scalar string, to whatever is wanted.
        channels: To which `decode` decodes.

    Returns:
        What `decode` gives and None; or None and the reason, part of a sentence.
    """
    try:
        with open(path, "rb") as file:
            encoded = file.read()
    except OSError as error:
        return None, error.strerror or str(error)
    suffix = suffix_of(encoded)
    if suffix is None:
        return None, f"{describe(encoded)}; only JPEG and PNG are supported"
    try:
        return decode(tf.constant(encoded)), None
    except tf.errors.InvalidArgumentError:
        if suffix == ".png":
            return None, "a truncated or damaged PNG file"
        # TensorFlow cannot convert CMYK to grey, and its error does not say so.
        cmyk = " (or a CMYK one)" * (channels == 1)
        return None, f"a truncated or damaged JPEG file{cmyk}"
