"""The kind of an image file, from its first bytes."""

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
