"""Files of predictions: CSV, JSON lines and Parquet, written row by row."""

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable
from typing import BinaryIO, Protocol, TextIO

from adafilter_tf import errors
from adafilter_tf.files import atomic, csv_rows, text
from adafilter_tf.prediction.predict import Prediction

FORMATS = {"csv": (".csv",), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet",)}
"""Format -> endings of its files."""

_ROW_GROUP = 10_000


class _Writer(Protocol):
    def write(self, row: Prediction) -> None: ...

    def close(self) -> None: ...


def choose_format(path: str | None, given: str | None) -> str:
    """Returns the key of FORMATS that a file is written in.

    Args:
        path: Of the file; None is standard output, as CSV unless `given` says other.
        given: What the user asked for; None leaves it to the file's ending.

    Raises:
        UsageError: The ending implies no format, Parquet was asked for on standard
            output, or pyarrow is missing for it.
    """
    chosen = given or ("csv" if path is None else _format_of(path))
    if chosen == "parquet":
        if path is None:
            raise errors.UsageError(
                "Parquet cannot be written to standard output; name a file by "
                "--predictions."
            )
        _import_parquet()
    return chosen


def check_target(path: str, *, overwrite: bool) -> None:
    """Checks that a file can be written, before hours are spent on its content.

    Raises:
        UsageError: It exists and `overwrite` is False, it is a folder, or its
            folder is missing or not writable.
    """
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise errors.UsageError(
            f"Received --predictions={path}, a folder; name a file."
        )
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise errors.UsageError(
            f"Received --predictions={path}, but {folder} is not a writable "
            "folder; create it or name another one."
        )
    if os.path.exists(path) and not overwrite:
        raise errors.UsageError(_describe_existing(path))


def write_csv(rows: Iterable[Prediction], file: TextIO) -> tuple[int, int]:
    """Writes rows as they come; returns the number of rows and of those with an error.

    The columns: `path,class,probability,class_2,probability_2,...,error`, where the
    first class is the most probable one. Broken images have only `path` and `error`.
    Where images have labels, `label` follows `path`.
    Text that a spreadsheet would run as a formula has a leading apostrophe, see
    `text.protect_cell`; `read_csv` removes it.
    """
    return _write(rows, _CsvWriter(file))


def read_csv(file: TextIO) -> list[dict[str, str]]:
    """Returns the rows that `write_csv` wrote, by column, with the exact texts.

    Args:
        file: Opened with `newline=""`, UTF-8 and `errors="surrogateescape"`.
    """
    return [
        {name: text.restore_cell(cell) for name, cell in row.items()}
        for row in csv.DictReader(file)
    ]


def write_json_lines(rows: Iterable[Prediction], file: TextIO) -> tuple[int, int]:
    """Writes one JSON object per line: `path`, `classes`, `probabilities`, `error`.

    Broken images have empty lists; `error` is null for the others.
    """
    return _write(rows, _JsonLinesWriter(file))


def write_parquet(rows: Iterable[Prediction], file: BinaryIO) -> tuple[int, int]:
    """Writes the columns of `write_json_lines` in row groups of 10,000 rows."""
    return _write(rows, _ParquetWriter(file))


def save_csv(rows: Iterable[Prediction], path: str) -> tuple[int, int]:
    """`save` as CSV, over a file that may be there."""
    return save(rows, path, "csv", overwrite=True)


def save(
    rows: Iterable[Prediction], path: str, file_format: str, *, overwrite: bool
) -> tuple[int, int]:
    """Writes rows into a file that appears only when it is complete.

    Until then they are in `temporary_path(path)`, and after an error they stay there.

    Returns:
        The number of rows and of those with an error.

    Raises:
        UsageError: The file was created meanwhile, and `overwrite` is False.
    """
    temporary = temporary_path(path)
    if file_format == "parquet":
        with open(temporary, "wb") as file:
            counts = write_parquet(rows, file)
    else:
        write = _TEXT_FORMATS[file_format]
        # A file name need not be valid UTF-8.
        with open(
            temporary, "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            counts = write(rows, file)
    if not overwrite and os.path.exists(path):
        raise errors.UsageError(
            f"{_describe_existing(path)} The new rows are in {temporary}."
        )
    atomic.publish(temporary, path)
    return counts


def temporary_path(path: str) -> str:
    """Returns where the rows are until the file is complete."""
    return f"{path}.tmp"


def print_rows(
    rows: Iterable[Prediction], file_format: str, stream: TextIO
) -> tuple[int, int]:
    """Writes rows to standard output.

    Raises:
        RunError: The pipe is closed, or it cannot be written.
    """
    # A file name need not be valid UTF-8.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        counts = _TEXT_FORMATS[file_format](rows, stream)
        stream.flush()
    except OSError as error:
        # Or Python tries once more at its end, with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise errors.RunError(
            f"Standard output cannot be written: {error.strerror}. The rows are "
            "incomplete; name a file by --predictions."
        ) from error
    return counts


def _write(rows: Iterable[Prediction], writer: _Writer) -> tuple[int, int]:
    num_rows = num_errors = 0
    try:
        for row in rows:
            writer.write(row)
            num_rows += 1
            num_errors += row.error is not None
    except BaseException:
        if num_rows:  # so that what there is can be read
            writer.close()
        raise
    writer.close()
    return num_rows, num_errors


class _CsvWriter:
    def __init__(self, file: TextIO):
        self._writer = csv_rows.RowWriter(file)
        self._has_header = False

    def write(self, row: Prediction) -> None:
        labels = [] if row.label is None else [row.label]
        self._write_header(len(row.classes), ["label"] * len(labels))
        scores = ["" if math.isnan(p) else f"{p:.6g}" for p in row.probabilities]
        classes = map(text.protect_cell, row.classes)
        pairs = zip(classes, scores, strict=True)
        self._writer.writerow(
            [
                text.protect_cell(row.path),
                *map(text.protect_cell, labels),
                *(cell for pair in pairs for cell in pair),
                text.protect_cell(row.error or ""),
            ]
        )

    def close(self) -> None:
        self._write_header(1, [])

    def _write_header(self, num_classes: int, labels: list[str]) -> None:
        if self._has_header:
            return
        self._has_header = True
        numbers = range(2, num_classes + 1)
        more = [cell for k in numbers for cell in (f"class_{k}", f"probability_{k}")]
        self._writer.writerow(["path", *labels, "class", "probability", *more, "error"])


class _JsonLinesWriter:
    def __init__(self, file: TextIO):
        self._file = file

    def write(self, row: Prediction) -> None:
        self._file.write(json.dumps(_to_columns(row)) + "\n")

    def close(self) -> None:
        pass


class _ParquetWriter:
    def __init__(self, file: BinaryIO):
        arrow, parquet = _import_parquet()
        self._arrow = arrow
        self._schema = arrow.schema(
            [
                ("path", arrow.string()),
                ("classes", arrow.list_(arrow.string())),
                ("probabilities", arrow.list_(arrow.float64())),
                ("error", arrow.string()),
            ]
        )
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._rows: list[dict] = []

    def write(self, row: Prediction) -> None:
        columns = _to_columns(row)
        # Parquet's strings are UTF-8, file names need not be: odd bytes as \xe9.
        path = row.path.encode("utf-8", "surrogateescape")
        columns["path"] = path.decode("utf-8", "backslashreplace")
        self._rows.append(columns)
        if len(self._rows) == _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            table = self._arrow.Table.from_pylist(self._rows, schema=self._schema)
            self._writer.write_table(table)
            self._rows = []


_TEXT_FORMATS: dict[str, Callable] = {"csv": write_csv, "jsonl": write_json_lines}


def _to_columns(row: Prediction) -> dict:
    broken = row.error is not None
    return {
        "path": row.path,
        "classes": [] if broken else list(row.classes),
        "probabilities": [] if broken else list(row.probabilities),
        "error": row.error,
    }


def _format_of(path: str) -> str:
    for name, endings in FORMATS.items():
        if path.lower().endswith(endings):
            return name
    known = [ending for endings in FORMATS.values() for ending in endings]
    raise errors.UsageError(
        f"Received --predictions={path}, whose ending implies no format; allowed are "
        f"{', '.join(known)}, or any with --predictions_format={'|'.join(FORMATS)}."
    )


def _import_parquet():
    """Returns pyarrow and its module for Parquet, which only this format needs."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise errors.UsageError(
            "Parquet files need pyarrow: install it by "
            "pip install 'adafilter_tf[parquet]', or write .csv or .jsonl."
        ) from error
    return pyarrow, parquet


def _describe_existing(path: str) -> str:
    return (
        f"--predictions={path} exists and is not replaced; name another file, or "
        "replace it with --overwrite."
    )
