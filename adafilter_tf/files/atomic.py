"""CSV files that appear whole or not at all."""

import csv
import os
import pathlib
from collections.abc import Iterable, Sequence


def write_csv(
    path: str | os.PathLike, columns: Sequence[str], rows: Iterable[Sequence]
) -> None:
    """Writes a CSV file under another name, synced to the disk, and renames it.

    Args:
        path: In a folder that exists. Names of files that are no UTF-8 keep their
            bytes.
        columns: The first line.
        rows: The others. When a generator of them raises, `path` stays as it was.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.unfinished")
    with temporary.open(
        "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
