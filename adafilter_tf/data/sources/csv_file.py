"""A CSV file that lists images: `path,label` and, if there are splits, `split`."""

import csv
import os
import pathlib
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.data.sources.split_names import SPLIT_NAMES

_REQUIRED = ("path", "label")
_COLUMNS = (*_REQUIRED, "split")


class _Row(NamedTuple):
    line: int
    image: str
    exists: bool
    label: str
    split: str


def load_csv(path: str) -> dict[str, Examples]:
    r"""The images that a CSV file lists; labels are names of classes.

    Paths are relative to the folder of the CSV file; `\` separates folders where no
    file has it in its name. Classes are ordered by name. The log names the columns that
    are not used.

    Args:
        path: UTF-8 CSV file with the header `path,label[,split]`.

    Returns:
        Examples under "all", or under the splits if there is a column "split".

    Raises:
        errors.UsageError: The file does not exist or is not strict CSV, a line has
            other cells than the header, a column or value is missing, a split is
            unknown, nothing is listed, or a listed file does not exist.
    """
    file = pathlib.Path(path).expanduser().absolute()
    if not os.path.isfile(file):
        raise errors.UsageError(
            f"dataset=csv:{path}: there is no such file; give a CSV file with the "
            "header path,label or path,label,split."
        )
    rows = _read_rows(file)
    class_names = tuple(sorted({row.label for row in rows}))
    labels = {name: label for label, name in enumerate(class_names)}
    by_split: dict[str, list[_Row]] = {}
    for row in rows:
        by_split.setdefault(row.split, []).append(row)
    return {
        split: Examples(
            tuple(row.image for row in of_split),
            tuple(labels[row.label] for row in of_split),
            class_names,
        )
        for split, of_split in by_split.items()
    }


def _read_rows(file: pathlib.Path) -> list[_Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(stream)
        records = _split_records(lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.UsageError(
            f"{file} cannot be read as a CSV file in UTF-8 ({error}): save it as such, "
            'with quotes (") only around a whole cell.'
        ) from error
    header = [name.strip() for name in records[0][1]] if records else []
    _check_header(file, header)
    rows = []
    next_lines = [*(line for line, _ in records[2:]), len(lines) + 1]
    for (line, cells), next_line in zip(records[1:], next_lines, strict=False):
        if len(cells) != len(header):
            raise errors.UsageError(
                f"{file}, line {line}: {len(cells)} cells under a header of "
                f"{len(header)} ({_show(header)}); put a cell with a comma in "
                "quotes, or name all columns."
            )
        _check_swallowed(file, header, line, lines[line : next_line - 1])
        rows.append(_clean_row(file, line, dict(zip(header, cells, strict=True))))
    if not rows:
        raise errors.UsageError(
            f"{file} lists no image; add one line path,label for each."
        )
    _check_ignored_columns(file, header, records[1:])
    _check_files_exist(file, rows)
    logging.info("%s: %d images in %d lines.", file, len(rows), len(lines))
    return rows


def _split_records(lines: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The cells of each record and the number of its first line, from 1."""
    reader = csv.reader(lines, strict=True)
    records, line = [], 1
    try:
        for cells in reader:
            if cells:  # an empty line has none
                records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from error
    return records


def _check_header(file: pathlib.Path, header: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise errors.UsageError(
            f"{file} lacks the column {' and '.join(missing)} (its header: "
            f"{_show(header) or 'empty'}); the first line has to be "
            "path,label or path,label,split, with commas between."
        )
    for name in _COLUMNS:
        if header.count(name) > 1:
            raise errors.UsageError(
                f"{file} has {header.count(name)} columns {name!r} (its header: "
                f"{_show(header)}); rename or remove all but one."
            )


def _show(header: Sequence[str]) -> str:
    return show_path(",".join(header))


def _check_swallowed(
    file: pathlib.Path, header: Sequence[str], line: int, continued: Sequence[str]
) -> None:
    """Refuses a quoted cell over several lines that are rows themselves."""
    for offset, text in enumerate(continued, 1):
        try:
            cells = next(csv.reader([text]), [])
        except csv.Error:  # not a row
            continue
        position = header.index("path")
        if len(cells) > position and _find_file(file.parent, cells[position]):
            raise errors.UsageError(
                f'{file}, line {line}: a quote (") opens there and closes after line '
                f"{line + offset}, which lists an image of its own: remove the quote, "
                'or write it as "" inside a quoted cell.'
            )


def _clean_row(file: pathlib.Path, line: int, row: dict[str, str]) -> _Row:
    clean = {name: row[name].strip() for name in _COLUMNS if name in row}
    for name in _REQUIRED:
        if not clean[name]:
            raise errors.UsageError(
                f"{file}, line {line}: the {name} is empty; fill it in or remove "
                "the line."
            )
    split = clean.get("split")
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise errors.UsageError(
            f"{file}, line {line}: split {split!r} is unknown; allowed are "
            f"{', '.join(SPLIT_NAMES)}, or no column 'split' at all."
        )
    # A name may begin or end with a blank.
    image = _find_file(file.parent, row["path"]) or _find_file(
        file.parent, clean["path"]
    )
    return _Row(
        line,
        image or str(file.parent / clean["path"]),
        image is not None,
        clean["label"],
        "all" if split is None else SPLIT_NAMES[split.lower()],
    )


def _find_file(folder: pathlib.Path, path: str) -> str | None:
    """The file that a path stands for: as written, by Windows, in other Unicode."""
    for name in (path, path.replace("\\", "/")):
        for form in (name, *(unicodedata.normalize(of, name) for of in ("NFC", "NFD"))):
            try:
                found = folder / form
                if form and os.path.isfile(found):
                    return str(found)
            except ValueError:  # a zero byte
                continue
    return None


def _check_ignored_columns(
    file: pathlib.Path, header: Sequence[str], records: Sequence
) -> None:
    """Names the columns that are not used; one that gives splits is refused."""
    ignored = [
        (position, name) for position, name in enumerate(header) if name not in _COLUMNS
    ]
    for position, name in ignored:
        values = {cells[position].strip().lower() for _, cells in records}
        if "split" not in header and len(values) > 1 and values <= SPLIT_NAMES.keys():
            raise errors.UsageError(
                f"{file}: the column {name!r} holds {', '.join(sorted(values))}; call "
                "it 'split' if these are the splits of the images, or remove it."
            )
    if ignored:
        logging.warning(
            "%s: not used are the columns %s.",
            file,
            ", ".join(repr(name) for _, name in ignored),
        )


def _check_files_exist(file: pathlib.Path, rows: Sequence[_Row]) -> None:
    missing = [row for row in rows if not row.exists]
    if missing:
        raise errors.UsageError(
            f"{len(missing)} of {len(rows)} images that {file} lists do not exist, "
            f"first {show_path(missing[0].image)} (line {missing[0].line}); paths are "
            "relative to the folder of the CSV file."
        )
