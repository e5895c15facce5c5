"""A CSV file that lists images: `path,label` and, if there are splits, `split`."""

import csv
import os
import pathlib

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources.image_folder import SPLIT_NAMES


def load_csv(path: str) -> dict[str, Examples]:
    """The images that a CSV file lists; labels are names of classes.

    Paths are relative to the folder of the CSV file. Classes are ordered by name. Other
    columns are ignored.

    Args:
        path: UTF-8 CSV file with the header `path,label[,split]`.

    Returns:
        Examples under "all", or under the splits if there is a column "split".

    Raises:
        errors.UsageError: There is no such file, a column or value is missing, a split
            is unknown, nothing is listed, or a listed file does not exist.
    """
    file = pathlib.Path(path).expanduser().absolute()
    if not os.path.isfile(file):
        raise errors.UsageError(
            f"dataset=csv:{path}: there is no such file; give a CSV file with the "
            "header path,label or path,label,split."
        )
    rows = _read_rows(file)
    class_names = tuple(sorted({row["label"] for row in rows}))
    labels = {name: label for label, name in enumerate(class_names)}
    splits: dict[str, list] = {}
    for row in rows:
        image = str(file.parent / row["path"])
        splits.setdefault(row["split"], []).append((image, labels[row["label"]]))
    _check_files_exist(file, [image for rows in splits.values() for image, _ in rows])
    return {
        split: Examples(
            *(tuple(column) for column in zip(*rows, strict=True)), class_names
        )
        for split, rows in splits.items()
    }


def _read_rows(file: pathlib.Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            missing = [name for name in ("path", "label") if name not in header]
            if missing:
                raise errors.UsageError(
                    f"{file} lacks the column {' and '.join(missing)} (its header: "
                    f"{','.join(header) or 'empty'}); the first line has to be "
                    "path,label or path,label,split."
                )
            rows = [_clean_row(row, file, reader.line_num, header) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.UsageError(
            f"{file} cannot be read as a CSV file in UTF-8 ({error}): save it as such."
        ) from error
    if not rows:
        raise errors.UsageError(
            f"{file} lists no image; add one line path,label for each."
        )
    return rows


def _clean_row(row: dict, file: pathlib.Path, line: int, header) -> dict[str, str]:
    clean = {name: (row[name] or "").strip() for name in ("path", "label")}
    for name, value in clean.items():
        if not value:
            raise errors.UsageError(
                f"{file}, line {line}: the {name} is empty; fill it in or remove "
                "the line."
            )
    split = (row["split"] or "").strip() if "split" in header else None
    if split is not None and split.lower() not in SPLIT_NAMES:
        raise errors.UsageError(
            f"{file}, line {line}: split {split!r} is unknown; allowed are "
            f"{', '.join(SPLIT_NAMES)}, or no column 'split' at all."
        )
    clean["split"] = "all" if split is None else SPLIT_NAMES[split.lower()]
    return clean


def _check_files_exist(file: pathlib.Path, images: list[str]) -> None:
    missing = [image for image in images if not os.path.isfile(image)]
    if missing:
        raise errors.UsageError(
            f"{len(missing)} of {len(images)} images that {file} lists do not exist, "
            f"first {missing[0]}; paths are relative to the folder of the CSV file."
        )
