"""SHA-256 of files that must be intact, in the format of the program sha256sum.

`sha256sum --check SHA256SUMS`, in the folder that the names are relative to, checks
the same.
"""

import hashlib
import os
import pathlib
import re
from collections.abc import Iterable

from adafilter_tf.files import atomic

FILE_NAME = "SHA256SUMS"
# Two spaces before a name; sha256sum escapes names that this package never writes.
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def digest(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record(root: str | os.PathLike, names: Iterable[str]) -> None:
    """Records files of a folder in its `SHA256SUMS`, beside those recorded before.

    Args:
        root: A folder.
        names: Paths relative to it.
    """
    path = pathlib.Path(root, FILE_NAME)
    sums = read(path) | {name: digest(pathlib.Path(root, name)) for name in names}
    atomic.write_text(path, _format(sums))


def describe_tree(root: str | os.PathLike) -> str:
    """Returns the text of a `SHA256SUMS` of every file in a folder."""
    root = pathlib.Path(root)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return _format({path.relative_to(root).as_posix(): digest(path) for path in paths})


def read(path: str | os.PathLike) -> dict[str, str]:
    """Returns the digests by name; lines that are damaged are left out."""
    try:
        text = pathlib.Path(path).read_text("utf-8", "replace")
    except OSError:
        return {}
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match[2]: match[1] for match in found if match}


def find_fault(
    root: str | os.PathLike, sums: dict[str, str], names: Iterable[str] | None = None
) -> str | None:
    """Returns what is wrong with files of a folder, None if nothing is.

    Args:
        root: The folder.
        sums: Digests by relative path.
        names: Paths to check; one without a digest must exist and not be empty. None
            checks every path that has a digest.
    """
    for name in sums if names is None else names:
        path = pathlib.Path(root, name)
        if not path.is_file():
            return f"{name} is missing"
        if not path.stat().st_size and sums.get(name) != _EMPTY:
            return f"{name} is empty"
        if name in sums and digest(path) != sums[name]:
            return f"{name} differs from its SHA-256"
    return None


_EMPTY = hashlib.sha256().hexdigest()


def _format(sums: dict[str, str]) -> str:
    return "".join(f"{value}  {name}\n" for name, value in sums.items())
