"""Atomic files: a reader, or a power cut, finds the old file or the new one.

Written under a temporary name in the same folder, synced to the disk, renamed, and the
folder synced, so that the rename itself survives a power cut.
"""

import contextlib
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from adafilter_tf import errors
from adafilter_tf.files import csv_rows

# A disk takes some milliseconds for each; `os.sync` takes all at once.
_MAX_SYNCED_ONE_BY_ONE = 256


def temporary_path(path: str | os.PathLike) -> pathlib.Path:
    """Returns where `replacing` writes: `.writing-` before the name, same suffixes."""
    path = pathlib.Path(path)
    return path.with_name(f".writing-{path.name}")


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike, *, shared: bool = False
) -> Iterator[pathlib.Path]:
    """Yields a temporary path whose file, or folder, then takes the place of `path`.

    When the block raises, `path` stays as it was and the temporary file is removed.

    Example:
        with atomic.replacing("model.keras") as temporary:
            model.save(temporary)

    Args:
        path: A file in a folder that exists.
        shared: Whether other processes or threads may write the same file now; the last
            one stays.

    Raises:
        OSError: It cannot be written or renamed.
    """
    temporary = temporary_path(path)
    if shared:
        temporary = temporary.with_name(f"{temporary.name}-{uuid.uuid4().hex}")
    try:
        yield temporary
        publish(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str | os.PathLike) -> None:
    """Removes a file, a link or a folder as far as the system lets it."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        os.unlink(path)


def publish(temporary: str | os.PathLike, path: str | os.PathLike) -> None:
    """Syncs a finished file or folder, renames it and syncs the folder it lies in.

    Args:
        temporary: On the same file system as `path`.
        path: A file is replaced; a folder must not exist or be empty.

    Raises:
        OSError: It cannot be synced or renamed.
    """
    sync(temporary)
    os.replace(temporary, path)
    sync_folder(pathlib.Path(path).parent)


def sync(path: str | os.PathLike[str]) -> None:
    """Flushes a file, or everything in a folder, to the disk."""
    if not os.path.isdir(path):
        _sync_file(path)
        return
    files = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(os.fspath(path))
        for name in names
        if not os.path.islink(os.path.join(folder, name))
    ]
    if len(files) > _MAX_SYNCED_ONE_BY_ONE:
        os.sync()
        return
    for name in files:
        _sync_file(name)
    for folder, _, _ in os.walk(os.fspath(path)):
        sync_folder(folder)


def _sync_file(path: str | os.PathLike) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: str | os.PathLike) -> None:
    """Writes a folder's names to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a folder and say so.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes bytes atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes text as UTF-8, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike, content: Mapping | Sequence) -> None:
    """Writes indented JSON, atomically."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def write_csv(
    path: str | os.PathLike,
    columns: Sequence[str],
    rows: Iterable[Sequence],
    *,
    shared: bool = False,
) -> None:
    """Writes a CSV file, atomically.

    Args:
        path: In a folder that exists.
        columns: The first line.
        rows: The others, one sequence per line. Names of files that are not valid
            UTF-8 keep their bytes. When a generator of rows raises, `path` stays as it
            was.
        shared: See `replacing`.
    """
    with (
        replacing(path, shared=shared) as temporary,
        temporary.open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream,
    ):
        writer = csv_rows.RowWriter(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def read_text(path: pathlib.Path) -> str:
    """Returns the text of a run's file.

    Raises:
        RunError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise errors.RunError(
            f"{path} cannot be read ({errors.explain(error)}): put the run's own "
            "file back."
        ) from error


def read_json(path: pathlib.Path, *, needs: Mapping[str, type] | None = None) -> dict:
    """Returns the JSON object of a run's file.

    Args:
        path: As `write_json` wrote it.
        needs: Required names, with the types of their values.

    Raises:
        RunError: It cannot be read or lacks a required name.
    """
    text = read_text(path)
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
        for name, kind in (needs or {}).items():
            if not isinstance(
                content.get(name), (kind, int) if kind is float else kind
            ):
                raise ValueError(f"its {name} is {content.get(name)!r}")
    except (ValueError, RecursionError) as error:
        raise errors.RunError(
            f"{path} is damaged ({errors.explain(error)}): put the run's own file "
            "back, or remove it to have it made again."
        ) from error
    return content
