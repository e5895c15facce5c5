"""What was found out about every image file of a data set, kept between runs.

One CSV file a data set, one line an image. An entry counts as long as the file's size
and time of modification are the same; so a second look costs one `stat` an image.
"""

import csv
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from absl import logging

from adafilter_tf.data.sources import extraction, registry
from adafilter_tf.files import atomic

OK = "ok"
# Part of the file's name: what is found out by other rules is not mixed up.
_VERSION = 2


@dataclasses.dataclass(frozen=True)
class ImageEntry:
    """One image file.

    Attributes:
        path: Absolute.
        bytes: Size of the file; 0 if it cannot be read.
        modified: Its time, nanoseconds since 1970; 0 if it cannot be read.
        sha256: Of the content, hexadecimal; empty if it was not read.
        format: JPEG, PNG, the kind that is converted, or empty.
        height: Of the upright image in pixels; 0 if not known.
        width: The same.
        channels: As stored: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA or CMYK; 0 if not
            known.
        orientation: EXIF, 1..8.
        difference_hash: Of the upright image, 16 hexadecimal digits; empty if it
            cannot be decoded.
        note: What is strange about its pixels, part of a sentence; usually empty.
        status: "ok", or why the image cannot be used, part of a sentence.
    """

    path: str
    bytes: int = 0
    modified: int = 0
    sha256: str = ""
    format: str = ""
    height: int = 0
    width: int = 0
    channels: int = 0
    orientation: int = 1
    difference_hash: str = ""
    note: str = ""
    status: str = OK


_FIELDS = dataclasses.fields(ImageEntry)
_PARSERS: dict[str, Any] = {
    field.name: int if field.type is int else str for field in _FIELDS
}


def default_path(dataset: str, data_dir: str | None) -> pathlib.Path:
    """Where the manifest of a data set is kept.

    Args:
        dataset: As it is named on the command line.
        data_dir: Where data sets are kept; None is TFDS's default.
    """
    kind, argument = registry.parse_dataset(dataset)
    if registry.SOURCES[kind].is_path:
        argument = os.path.abspath(argument)
    name = hashlib.sha256(
        f"{kind}:{argument}".encode(errors="surrogateescape")
    ).hexdigest()
    root = pathlib.Path(data_dir or extraction.default_data_dir()).expanduser()
    return root / "adafilter_tf" / "manifests" / f"{name[:24]}.v{_VERSION}.csv"


def read_manifest(path: str | os.PathLike) -> dict[str, ImageEntry]:
    """The entries of a manifest by path; none if there is no such file.

    A damaged manifest counts as none, with a warning: it can be made again.
    """
    path = pathlib.Path(path)
    try:
        with path.open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            entries = (
                ImageEntry(
                    **{name: parse(row[name]) for name, parse in _PARSERS.items()}
                )
                for row in csv.DictReader(stream, strict=True)
            )
            return {entry.path: entry for entry in entries}
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        logging.warning("The manifest %s is not used (%s): made again.", path, error)
        return {}


def write_manifest(entries: Iterable[ImageEntry], path: str | os.PathLike) -> None:
    """Writes entries as CSV, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (dataclasses.astuple(entry) for entry in entries)
    columns = [field.name for field in _FIELDS]
    atomic.write_csv(path, columns, rows, shared=True)
