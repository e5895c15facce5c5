"""Image files as a data set of the wild has them: some usable, most broken."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = "not an image"
DAMAGE = "a truncated or damaged {} file"
JPEG_DAMAGE = "a truncated or damaged JPEG file"
PNG_DAMAGE = "a truncated or damaged PNG file"


def encode(image, format="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def orientation_tag(value):
    tags = Image.Exif()
    tags[0x0112] = value
    return tags


def usable(image):
    """Contents of files that can be trained on, by name; their pixels are Pillow's.

    Args:
        image: An RGB image.
    """
    jpeg, png = encode(image), encode(image, "PNG")
    grey = image.convert("L")
    alpha = image.copy()
    alpha.putalpha(grey)
    palette = image.quantize(7)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    return {
        "turned by EXIF.jpg": encode(image, exif=orientation_tag(6)),
        "turned by EXIF.png": encode(image, "PNG", exif=orientation_tag(8)),
        "CMYK.jpg": encode(image.convert("CMYK")),
        "grey.jpg": encode(grey),
        "progressive.jpg": encode(image, progressive=True),
        "bytes after the end.jpg": jpeg + b"motion photo" * 100,
        "large EXIF.jpg": encode(image, exif=b"Exif\0\0" + bytes(60_000)),
        "16 bits.png": encode(deep, "PNG"),
        "palette.png": encode(palette, "PNG"),
        "palette with a transparent colour.png": encode(palette, "PNG", transparency=0),
        "alpha.png": encode(alpha, "PNG"),
        "grey with alpha.png": encode(alpha.convert("LA"), "PNG"),
        "one bit.png": encode(image.convert("1"), "PNG"),
        "animated.png": encode(
            image, "PNG", save_all=True, append_images=[image.rotate(90)]
        ),
        "GIF.jpg": encode(image, "GIF"),
        "animated GIF.png": encode(
            image, "GIF", save_all=True, append_images=[image.rotate(90)]
        ),
        "BMP.jpg": encode(image, "BMP"),
        "TIFF turned by EXIF.tif": encode(image, "TIFF", exif=orientation_tag(6)),
        "WebP turned by EXIF.jpg": encode(image, "WEBP", exif=orientation_tag(3)),
        "animated.webp": encode(
            image, "WEBP", save_all=True, append_images=[image.rotate(90)]
        ),
        "AVIF without ending": encode(image, "AVIF"),
        "one pixel.png": encode(image.resize((1, 1)), "PNG"),
        "very wide.jpg": encode(image.resize((3000, 1))),
        "PNG in truth.jpg": png,
        "JPEG in truth.png": jpeg,
        "grüße 图像 🦊.jpg": jpeg,
        " blanks, a comma and\na line .jpg": jpeg,
        os.fsdecode(b"not UTF-8 \xff\xfe.jpg"): jpeg,
    }


def broken(image):
    """(content, reason) of files that cannot be trained on, by name."""
    jpeg, png = encode(image), encode(image, "PNG")
    bomb = png[:16] + struct.pack(">II", 60_000, 60_000) + png[24:]
    jpeg_bomb = bytearray(jpeg)
    size = jpeg_bomb.index(b"\xff\xc0") + 5
    jpeg_bomb[size : size + 4] = struct.pack(">HH", 60_000, 60_000)
    return {
        "empty.jpg": (b"", f"an empty file, {FORMATS}"),
        "cut in half.jpg": (jpeg[: len(jpeg) // 2], JPEG_DAMAGE),
        "cut in its header.jpg": (jpeg[:100], JPEG_DAMAGE),
        "three bytes.jpg": (jpeg[:3], JPEG_DAMAGE),
        "cut in half.png": (png[: len(png) // 2], PNG_DAMAGE),
        "cut after its header.png": (png[:33], PNG_DAMAGE),
        "eight bytes.png": (png[:8], PNG_DAMAGE),
        "wrong checksum.png": (_flip(png, 29), PNG_DAMAGE),
        "damaged pixels.png": (_flip(png, len(png) // 2), PNG_DAMAGE),
        "no pixels.png": (_sized(png, 0, 0), PNG_DAMAGE),
        "bomb.png": (
            bomb,
            "3600000000 pixels, more than the 178956970 that "
            "an image may have (a decompression bomb?); resize it",
        ),
        "bomb.jpg": (
            bytes(jpeg_bomb),
            "3600000000 pixels, more than the 178956970 that "
            "an image may have (a decompression bomb?); resize it",
        ),
        "WebP.jpg": (b"RIFF\x24\0\0\0WEBPVP8 ", DAMAGE.format("WebP")),
        "AVIF.jpg": (b"\0\0\0\x20ftypavif\0\0", DAMAGE.format("AVIF")),
        "cut.gif": (encode(image, "GIF")[:20], DAMAGE.format("GIF")),
        "cut.tif": (encode(image, "TIFF")[:20], DAMAGE.format("TIFF")),
        "HEIC.jpg": (
            b"\0\0\0\x18ftypheic\0\0",
            "a HEIC file, damaged or without pip install pillow-heif to read it",
        ),
        "video.jpg": (b"\0\0\0\x18ftypisom\0\0", f"a video, {FORMATS}"),
        "PDF.png": (b"%PDF-1.7\n", f"a PDF file, {FORMATS}"),
        "ZIP.png": (b"PK\x03\x04" + bytes(30), f"a ZIP archive, {FORMATS}"),
        "page.jpg": (
            b"<!DOCTYPE html><title>404</title>",
            f"an HTML or SVG text, {FORMATS}",
        ),
        "text.jpg": (b"hello", f"a file of an unknown kind, {FORMATS}"),
        "zeros.jpg": (bytes(1000), f"a file of zeros, {FORMATS}"),
        "noise.png": (
            np.random.default_rng(0).bytes(1000),
            f"a file of an unknown kind, {FORMATS}",
        ),
        "pointer.jpg": (
            b"version https://git-lfs.github.com/spec/v1\n",
            f"a Git LFS pointer, whose content was not fetched, {FORMATS}",
        ),
    }


def write_no_files(folder, max_bytes):
    """Writes names behind which there is no image file; gives the reasons by name."""
    (folder / "endless link.jpg").symlink_to(folder / "endless link.jpg")
    (folder / "link a.jpg").symlink_to(folder / "link b.jpg")
    (folder / "link b.jpg").symlink_to(folder / "link a.jpg")
    (folder / "link to nothing.jpg").symlink_to(folder / "nothing")
    (folder / "link to zeros.jpg").symlink_to("/dev/zero")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    with open(folder / "huge.jpg", "wb") as file:
        file.truncate(max_bytes + 1)  # takes no room
    return {
        "endless link.jpg": "Too many levels of symbolic links",
        "link a.jpg": "Too many levels of symbolic links",
        "link b.jpg": "Too many levels of symbolic links",
        "link to nothing.jpg": "No such file or directory",
        "link to zeros.jpg": "a device, not a file",
        "folder.jpg": "a folder, not a file",
        "pipe.jpg": "a pipe, not a file",
        "huge.jpg": f"a file of {max_bytes + 1} bytes, more than the {max_bytes} that "
        "an image may have; resize it",
    }


def write_all(folder, image):
    """Writes everything; gives status by path, "ok" for what is usable."""
    statuses = {}
    for name, content in usable(image).items():
        (folder / name).write_bytes(content)
        statuses[str(folder / name)] = "ok"
    for name, (content, reason) in broken(image).items():
        (folder / name).write_bytes(content)
        statuses[str(folder / name)] = reason
    return statuses


def _flip(content, position):
    changed = bytearray(content)
    changed[position] ^= 0xFF
    return bytes(changed)


def _sized(png, height, width):
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
