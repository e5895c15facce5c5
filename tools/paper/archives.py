"""Files in a tar or zip archive, read one after the other; nothing is unpacked.

What is written gets its name from the converter, never from the archive, and an archive
that tries to leave its folder is refused whole.
"""

import contextlib
import functools
import hashlib
import lzma
import pathlib
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator

from adafilter_tf import errors

MAX_MEMBERS = 1_000_000
MAX_TOTAL_BYTES = 64 << 30
MAX_FILE_BYTES = 512 << 20  # a video; images are far smaller
_BLOCK = 1 << 20
_DAMAGE = (
    EOFError,
    OSError,
    RuntimeError,  # zipfile: a password is needed
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

# Name in the archive, and a function that reads the file: valid until the next one.
Member = tuple[str, Callable[[], bytes]]


def members(path: pathlib.Path, pattern: str) -> Iterator[Member]:
    """Yields the files of an archive whose whole names match, in the archive's order.

    Args:
        path: Of a tar file, compressed or not, or of a zip file.
        pattern: Regular expression.

    Raises:
        errors.RunError: The archive is damaged, a name leaves the archive's folder, a
            file that matches is a link or a device, or there is more than allowed.
    """
    wanted = re.compile(pattern)
    total = 0
    with contextlib.closing(_entries(path)) as entries:
        for number, (name, size, is_file, read) in enumerate(entries, 1):
            total += size
            _check_name(path, name)
            if number > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
                raise errors.RunError(
                    f"{path} holds more than {MAX_MEMBERS} files or {MAX_TOTAL_BYTES} "
                    "bytes, which none of these data sets has; download it again."
                )
            name = name.removeprefix("./")
            if not wanted.fullmatch(name):
                continue
            if not is_file:
                raise errors.RunError(
                    f"{path}: {name} is a link, a folder or a device where an ordinary "
                    "file is expected; download the archive again."
                )
            if size > MAX_FILE_BYTES:
                raise errors.RunError(
                    f"{path}: {name} has {size} bytes; at most {MAX_FILE_BYTES} are "
                    "allowed."
                )
            yield name, read


def names(path: pathlib.Path, pattern: str) -> list[str]:
    """Returns the names that match, ordered, without reading the files."""
    return sorted(name for name, _ in members(path, pattern))


def texts(path: pathlib.Path, pattern: str) -> dict[str, str]:
    """Returns the small text files that match, by the last part of their names."""
    return {
        name.rpartition("/")[2]: read().decode("utf-8", "surrogateescape")
        for name, read in members(path, pattern)
    }


def digests(path: pathlib.Path) -> dict[str, str]:
    """Returns the file's "sha256" and "md5", in hexadecimal digits.

    Raises:
        errors.UsageError: The file does not exist.
    """
    if not path.is_file():
        raise errors.UsageError(f"--archive={path}: the file does not exist.")
    # MD5 only because some publishers give nothing else.
    sums = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            for one in sums:
                one.update(block)
    return {one.name: one.hexdigest() for one in sums}


def _entries(path):
    """(name, size, whether an ordinary file, function that reads it) of each entry."""
    try:
        if zipfile.is_zipfile(path):
            yield from _zip_entries(path)
        else:
            yield from _tar_entries(path)
    except errors.RunError:
        raise
    except _DAMAGE as error:
        raise errors.RunError(
            f"{path} is not a complete tar or zip archive ({error}); download it again."
        ) from error


def _zip_entries(path):
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_file = not info.is_dir() and kind in (0, stat.S_IFREG)
            yield (
                info.filename,
                info.file_size,
                is_file,
                _guarded(path, lambda info=info: archive.read(info)),
            )


def _tar_entries(path):
    with tarfile.open(path) as archive:
        for info in archive:
            yield (
                info.name,
                info.size,
                info.isreg(),
                _guarded(path, functools.partial(_read_member, archive, info)),
            )


def _read_member(archive, info):
    file = archive.extractfile(info)
    return b"" if file is None else file.read()  # a folder has no content


def _guarded(path, read):
    def read_whole():
        try:
            return read()
        except _DAMAGE as error:
            raise errors.RunError(
                f"{path} is damaged or incomplete ({error}); download it again."
            ) from error

    return read_whole


def _check_name(path, name):
    parts = re.split(r"[/\\]", name)
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", name):
        raise errors.RunError(
            f"{path} holds the name {name!r}, which leaves its folder: it is not the "
            "published archive and nothing more of it is read."
        )
