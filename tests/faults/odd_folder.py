"""A folder of images as nobody would make it on purpose: formats, chunks, names, links.

Everything is drawn from a seed, so that a fault can be found again.
"""

import io
import os
import pathlib
import random
import struct
import unicodedata
import zlib

import numpy as np
from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO", "TGA", "PPM",
            "JPEG2000", "PCX")  # fmt: skip
_MODES = ("L", "RGB", "RGBA", "P", "LA", "1", "CMYK", "I;16")
_ENDINGS = (".jpg", ".JPEG", ".png", ".webp", ".gif", ".bmp", ".tif", ".avif", "",
            ".txt", ".jfif", ".db")  # fmt: skip
_NAMES = ("a b", "comma, quote\"", "line\nbreak", "return\rhere", "tab\there",
          "grüße", unicodedata.normalize("NFD", "grüße"), "图像", "🦊", "-dash", "%41",
          "=1+1", "#", "~", "\x7f", "\x01", os.fsdecode(b"\xff\xfe"), " lead", "*[?]",
          "\u2028", "x" * 200)  # fmt: skip
CLASSES = ("apples", "birnen ü", "c,d")


def make(folder: pathlib.Path, count: int, seed: int = 0) -> None:
    """Writes about `count` entries into three class folders and beside them."""
    rng = random.Random(seed)
    for name in CLASSES:
        # The folder lies in one of its own, which takes the targets of links.
        (folder / name).mkdir(parents=True)
        for number in range(8):  # so that each class has something to train on
            _save(folder / name / f"good{number}.png", _picture(rng, "RGB", 32), "PNG")
    for number in range(count):
        parent = folder / rng.choice(CLASSES)
        name = f"{rng.choice(_NAMES)}{number}{rng.choice(_ENDINGS)}"
        rng.choices((_image, _damaged, _chunky, _other), (5, 4, 2, 2))[0](
            parent / name, rng
        )
    (folder / "empty class").mkdir()
    (folder / "__MACOSX").mkdir()
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "loose.png").write_bytes(b"")


def list_entries(folder: pathlib.Path) -> list[str]:
    """Every file, link, and whatever else is not a folder, below a folder."""
    found = []
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(f"{parent}/{name}")]
        found += [os.path.join(parent, name) for name in (*files, *links)]
    return found


def _picture(rng: random.Random, mode: str, side: int = 0) -> Image.Image:
    height, width = (side or rng.choice((1, 2, 7, 16, 33, 64)) for _ in range(2))
    noise = np.random.default_rng(rng.randrange(2**32))
    if mode == "I;16":
        highest = rng.choice((255, 4095, 65535))
        return Image.fromarray(
            noise.integers(0, highest + 1, (height, width)).astype(np.uint16)
        )
    pixels = noise.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if rng.random() < 0.1:
        pixels[:] = 77  # one colour
    return Image.fromarray(pixels, "RGBA").convert(mode)


def _save(path: pathlib.Path, image: Image.Image, format: str) -> None:
    path.write_bytes(_encode(image, format))


def _encode(image: Image.Image, format: str) -> bytes:
    for mode in (image.mode, "RGB"):
        stream = io.BytesIO()
        try:
            image.convert(mode).save(stream, format)
            return stream.getvalue()
        except (OSError, ValueError, KeyError):  # the format lacks this mode
            continue
    raise ValueError(format)


def _image(path: pathlib.Path, rng: random.Random) -> None:
    _save(path, _picture(rng, rng.choice(_MODES)), rng.choice(_FORMATS))


def _damaged(path: pathlib.Path, rng: random.Random) -> None:
    content = bytearray(_encode(_picture(rng, "RGB"), rng.choice(_FORMATS)))
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(content))
        kind = rng.randrange(4)
        if kind == 0:
            content[place] = rng.randrange(256)
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            content[place:place] = rng.randbytes(rng.randint(1, 50))
        else:
            del content[place : place + rng.randint(1, 50)]
        if not content:
            break
    path.write_bytes(content)


def _chunky(path: pathlib.Path, rng: random.Random) -> None:
    """A PNG file with chunks that some decoders refuse."""
    png = _encode(_picture(rng, rng.choice(("L", "RGB", "RGBA"))), "PNG")
    large = zlib.compress(bytes(rng.choice((10, 2_000_000))))
    name, content = rng.choice([
        (b"zTXt", b"note\0\0" + large),
        (b"iTXt", b"note\0\1\0\0\0" + large),
        (b"iCCP", b"profile\0\0" + large),
        (b"tRNS", rng.randbytes(rng.choice((1, 2, 6)))),
        (b"gAMA", struct.pack(">I", rng.choice((0, 1, 45455, 2**31)))),
        (b"prVt", rng.randbytes(40)),
        (b"eXIf", rng.randbytes(40)),
        (b"acTL", struct.pack(">II", rng.randrange(5), 0)),
    ])  # fmt: skip
    checksum = zlib.crc32(name + content)
    length, end = struct.pack(">I", len(content)), struct.pack(">I", checksum)
    path.write_bytes(png[:33] + length + name + content + end + png[33:])


def _other(path: pathlib.Path, rng: random.Random) -> None:
    """What is not an image file."""
    kind = rng.randrange(9)
    if kind == 0:
        path.symlink_to(path)
    elif kind == 1:
        path.symlink_to(path.parent / "nowhere")
    elif kind == 2:
        # Of one file in two splits a run would be refused.
        target = path.parents[2] / f"target{rng.randrange(2**40)}.png"
        _save(target, _picture(rng, "RGB"), "PNG")
        path.symlink_to(target)
    elif kind == 3:
        path.symlink_to(path.parent)
    elif kind == 4:
        os.mkfifo(path)
    elif kind == 5:
        path.write_bytes(rng.choice([b"", b"\0" * 100, b"%PDF-1.7", b"<html>", b"hi"]))
    elif kind == 6:
        path.mkdir()
        _save(path / "inner.png", _picture(rng, "RGB"), "PNG")
    elif kind == 7:
        _save(path, _picture(rng, "RGB"), "PNG")
        path.chmod(0)
    else:
        path.with_name(f".{path.name}"[:250]).write_bytes(b"hidden")
