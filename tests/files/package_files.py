"""Tiny package files, as pip, npm and apt-get would write them."""

import hashlib
import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from adafilter_tf.files import packages


def png(pixels, mode=None):
    """A PNG file's content."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8), mode).save(buffer, "png")
    return buffer.getvalue()


def random_png(seed, size=8):
    return png(np.random.default_rng(seed).integers(0, 256, (size, size, 3)))


def tar(members, links=(), compression="gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def wheel(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def deb(members, links=()):
    content = b"!<arch>\n"
    data = tar(members, links, "xz")
    for name, part in (("debian-binary", b"2.0"), ("data.tar.xz", data)):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(part):<10}`\n"
        content += header.encode() + part + b"\n" * (len(part) % 2)
    return content


def package(content, file_name, manager="npm", sha256=None):
    return packages.Package(
        manager=manager,
        name="tiny",
        version="1.0",
        file_name=file_name,
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        origin="Random pixels by nobody",
        licence="CC0",
    )
