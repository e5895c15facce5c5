"""The kind of an image file, from its first bytes, and what is wrong with it."""

import os
import stat

from adafilter_tf.data.decoding import pixel_limit

# No image of MAX_PIXELS is larger: 16 bits for each of four channels.
MAX_BYTES = 8 * pixel_limit.MAX_PIXELS

# So many first bytes tell what a file is.
HEAD = 64

_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png"}
_OTHERS = {
    b"GIF8": "a GIF file",
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
_UNKNOWN = "a file of an unknown kind"
_IMAGES = (
    "a Photoshop file",
    "an ICO file",
    "a GIF file",
    "a BMP file",
    "a TIFF file",
    "a WebP file",
    "an AVIF file",
    "a HEIC file",
    "a HEIF file",
    "a JPEG 2000 file",
    "a PNM file",
)
_HEIF = ("a HEIC file", "a HEIF file")
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
    if encoded.startswith(b"BM") and encoded[6:10] == bytes(4):
        return "a BMP file"
    if encoded[:1] == b"P" and encoded[1:2] in b"123456" and encoded[2:3].isspace():
        return "a PNM file"
    if not encoded.strip(b"\0"):
        return "a file of zeros"
    return _UNKNOWN


def name_format(encoded: bytes) -> str:
    """The name of a kind of file in a table: `WebP` of "a WebP file"."""
    words = describe(encoded).removesuffix(" file").split()
    return " ".join(words[1:])


def is_image(encoded: bytes) -> bool:
    """Whether the first bytes are those of an image of any kind known here."""
    return suffix_of(encoded) is not None or describe(encoded) in _IMAGES


def may_be_image(encoded: bytes) -> bool:
    """Whether it is worth the try to decode a file that is neither JPEG nor PNG."""
    return describe(encoded) in (*_IMAGES, _UNKNOWN)


def read_head(path: str) -> tuple[bytes, None] | tuple[None, str]:
    """The first bytes of a file and None; or None and the reason."""
    return _read(path, HEAD)


def explain(
    encoded: bytes,
    *,
    channels: int = 3,
    max_pixels: int = pixel_limit.MOST_PIXELS,
) -> str:
    """Why bytes cannot be decoded to 1 or 3 channels, as a part of a sentence."""
    suffix = suffix_of(encoded)
    if suffix is None:
        kind = describe(encoded)
        if kind in _HEIF:
            return f"{kind}, damaged or without pip install pillow-heif to read it"
        if kind in _IMAGES:
            return f"a truncated or damaged {name_format(encoded)} file"
        return f"{kind}, not an image"
    excess = pixel_limit.describe_excess(encoded, max_pixels)
    if excess is not None:
        return excess
    if suffix == ".png":
        return "a truncated or damaged PNG file"
    # TensorFlow cannot convert CMYK to grey, and its error does not say so.
    cmyk = " (or a CMYK one)" * (channels == 1)
    return f"a truncated or damaged JPEG file{cmyk}"


def read_file(path: str) -> tuple[bytes, None] | tuple[None, str]:
    """The bytes of a file and None; or None and the reason, part of a sentence.

    What is not a regular file is not opened: a pipe would be waited for, a device read
    for ever.
    """
    return _read(path, -1)


def _read(path: str, num_bytes: int) -> tuple[bytes, None] | tuple[None, str]:
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
            return file.read(num_bytes), None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        return None, getattr(error, "strerror", None) or str(error)
