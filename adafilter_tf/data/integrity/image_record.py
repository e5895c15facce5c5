"""What the images of a run were when it began, so that a resume meets the same ones.

A run keeps `images.csv`, one line an image: path, bytes, modified (nanoseconds since
1970) and the SHA-256 of the content. As long as size and time are the same a file
counts as unchanged; otherwise its content decides, so that a copy serves as well.
"""

import csv
import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator
from concurrent import futures

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, Splits, normalize_text
from adafilter_tf.data.integrity import manifest
from adafilter_tf.files.atomic import write_csv

_COLUMNS = ("path", "bytes", "modified", "sha256")


def write_record(
    splits: Splits,
    path: str | os.PathLike,
    *,
    cache: str | os.PathLike | None = None,
) -> None:
    """Writes the record of all images, atomically.

    Args:
        splits: Of the run.
        path: Of the record.
        cache: Manifest of a scan; an image that is as the scan found it is not read
            and hashed again.

    Raises:
        errors.RunError: An image cannot be read.
    """
    known = manifest.read_manifest(cache) if cache else {}
    write_csv(
        path,
        _COLUMNS,
        _in_parallel(
            lambda image: _describe(image, known.get(image)), _list_paths(splits)
        ),
    )


def check_images(splits: Splits, path: str | os.PathLike) -> None:
    """Checks that all images are what they were when the record was written.

    Args:
        splits: Of the run.
        path: Of the record. A run of an earlier version has none: then there is a
            warning.

    Raises:
        errors.RunError: Naming the first image that is gone or has changed.
    """
    path = pathlib.Path(path)
    if not path.exists():
        logging.warning(
            "There is no %s: whether the images have changed since the run began is "
            "not known.",
            path,
        )
        return
    recorded = _read(path)
    results = _in_parallel(
        lambda image: _find_change(image, recorded.get(image)), _list_paths(splits)
    )
    changes = [change for change in results if change]
    if changes:
        raise errors.RunError(
            f"{len(changes)} of {len(recorded)} images are not what they were when the "
            f"run began, first {changes[0]}. Put them back and give the same command "
            "again, or start a new run in another --output_dir."
        )


def check_lists(
    now: Splits, begun: Splits, *, dataset: str, left_out: Iterable[str] = ()
) -> None:
    """Checks that a data set still gives the splits that a run began with.

    Args:
        now: What the data set gives today, unreadable images included.
        begun: The run's.
        dataset: For the message.
        left_out: Paths of the unreadable images that the run left out.

    Raises:
        errors.RunError: Naming the first image that is new, gone, or has another label
            or split.
    """
    before, today = _list_roles(begun), _list_roles(now)
    for image in left_out:
        today.pop(image, None)
    differences = [
        *(f"{image} is new" for image in today if image not in before),
        *(f"{image} is gone" for image in before if image not in today),
        *(
            f"{image} was {before[image]} and is now {role}"
            for image, role in today.items()
            if before.get(image, role) != role
        ),
    ]
    if differences:
        raise errors.RunError(
            f"--dataset={dataset} has other images, labels or splits than when the run "
            f"began ({len(differences)} differences, first: {differences[0]}). Undo "
            "that and give the same command again, or start a new run in another "
            "--output_dir."
        )


def read_digests(path: str | os.PathLike) -> dict[str, str]:
    """Returns the SHA-256 of each recorded image by path; none without a record.

    Raises:
        errors.RunError: The record is damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    return {image: digest for image, (_, _, digest) in _read(path).items()}


def _list_paths(splits: Splits) -> list[str]:
    return [path for _, examples in splits.items() for path in examples.paths]


def _list_roles(splits: Splits) -> dict[str, str]:
    return {
        path: f"{_name(examples, label)!r} in {split}"
        for split, examples in splits.items()
        for path, label in zip(examples.paths, examples.labels, strict=True)
    }


def _name(examples: Examples, label: int) -> str:
    return normalize_text(examples.class_names[label])


def _in_parallel(function, paths: list[str]) -> Iterator:
    with futures.ThreadPoolExecutor() as pool:
        yield from pool.map(function, paths, chunksize=64)


def _describe(
    path: str, known: manifest.ImageEntry | None
) -> tuple[str, int, int, str]:
    try:
        status = os.stat(path)
        found = path, status.st_size, status.st_mtime_ns
        if known and known.sha256 and found == (path, known.bytes, known.modified):
            return *found, known.sha256
        return *found, _sha256(path)
    except OSError as error:
        raise errors.RunError(
            f"The image {path} cannot be read ({error.strerror or error}); put it back "
            "or remove it from the data set."
        ) from error


def _find_change(path: str, recorded: tuple[int, int, str] | None) -> str | None:
    """How an image differs from its record, as a part of a sentence; None if not."""
    if recorded is None:
        return f"{path} (not in the record)"
    size, modified, digest = recorded
    try:
        status = os.stat(path)
        if status.st_size == size and status.st_mtime_ns == modified:
            return None
        if status.st_size == size and _sha256(path) == digest:
            return None
    except OSError as error:
        return f"{path} ({error.strerror or error})"
    return f"{path} (its content has changed)"


def _read(path: pathlib.Path) -> dict[str, tuple[int, int, str]]:
    try:
        with path.open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            return {
                row["path"]: (int(row["bytes"]), int(row["modified"]), row["sha256"])
                for row in csv.DictReader(stream, strict=True)
            }
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise errors.RunError(
            f"{path} is not a record of images as a run writes it (columns "
            f"{','.join(_COLUMNS)}): put the run's own file back, or remove it to go "
            "on without this check."
        ) from error


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
