"""Parquet files with image bytes, as image files."""

import json
import pathlib
from collections.abc import Iterator

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import extraction, record_files

IMAGE_COLUMNS = ("image", "img", "image_bytes", "bytes", "jpg", "png", "image/encoded")
LABEL_COLUMNS = (
    "label",
    "labels",
    "class",
    "target",
    "category",
    "fine_label",
    "label_name",
    "class_name",
)
_ROWS = 64  # read at once; an image may have megabytes


def load_parquet(
    pattern: str,
    data_dir: str | None,
    *,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """The images of Parquet files, written as image files if they are not there yet.

    The layout is Hugging Face's (a column "image" of {bytes, path} and "label", whose
    names stand in the file's metadata) or a plain column of bytes. Classes are whole
    numbers or texts.

    Args:
        pattern: A file, a folder or a glob pattern, see `record_files.find_files`.
        data_dir: Where extracted images are kept; None is TFDS's default.
        image_key: Column of JPEG or PNG files; None for the first of IMAGE_COLUMNS.
        label_key: Column of classes; None for the first of LABEL_COLUMNS.

    Returns:
        Examples under "all", or under the splits that the files name.

    Raises:
        errors.UsageError: There is no such file, pyarrow is not installed, a column is
            missing or of the wrong kind, or a class is missing.
        errors.RunError: A file is damaged, or the images cannot be written.
    """
    parquet = _import_parquet(pattern)
    splits = record_files.find_files("parquet", pattern, ".parquet")
    files = [_File(parquet, name, image_key, label_key)
             for of_split in splits.values() for name in of_split]  # fmt: skip
    by_name = {file.name: file for file in files}
    logging.info(
        "Parquet: images are column %r, classes %r.",
        files[0].image_column,
        files[0].label_column,
    )
    return extraction.extract_once(
        record_files.name_extraction("parquet", splits, image_key, label_key),
        data_dir=data_dir,
        class_names=lambda labels: _name_classes(labels, files),
        read_splits=lambda: [
            (split, _read_all([by_name[name] for name in of_split]))
            for split, of_split in splits.items()
        ],
        keep_others=True,
    )


class _File:
    """An open Parquet file and the columns that matter."""

    def __init__(self, parquet, name: str, image_key, label_key):
        self.name = name
        try:
            self._file = parquet.ParquetFile(name)
        except (OSError, ValueError) as error:  # pyarrow's errors are both
            raise errors.UsageError(
                f"{name} cannot be read as Parquet ({_first_line(error)}): give a "
                "Parquet file, or a pattern without it."
            ) from error
        schema = self._file.schema_arrow
        choose = record_files.choose_key
        self.image_column = choose(
            image_key, schema.names, IMAGE_COLUMNS, flag="image_key", where=name
        )
        self.label_column = choose(
            label_key, schema.names, LABEL_COLUMNS, flag="label_key", where=name
        )
        self.class_names = _read_class_names(schema, self.label_column)
        _check_kinds(schema, name, self.image_column, self.label_column)

    def read(self) -> Iterator[tuple[bytes, int | str]]:
        """Yields (encoded image, class) of each row."""
        columns = [self.image_column, self.label_column]
        number = 0
        try:
            for batch in self._file.iter_batches(_ROWS, columns=columns):
                rows = zip(*(batch.column(name).to_pylist() for name in columns),
                           strict=True)  # fmt: skip
                for image, label in rows:
                    where = f"Row {number} of {self.name}"
                    yield self._find_bytes(image, where), self._check(label, where)
                    number += 1
        except (OSError, ValueError) as error:
            if isinstance(error, errors.RunError):
                raise
            raise errors.RunError(
                f"{self.name} is damaged after {number} rows ({_first_line(error)}): "
                "replace it, or give a pattern without it."
            ) from error

    def _find_bytes(self, image, where: str) -> bytes:
        if isinstance(image, dict):
            content, path = image.get("bytes"), image.get("path")
            file = pathlib.Path(self.name).parent / (path or "")
            if content is None and path and file.is_file():
                return file.read_bytes()
            image = content
        if image is None:
            raise errors.UsageError(
                f"{where} has no image in column {self.image_column!r}; remove the "
                "row, or write the file with the images' bytes inside."
            )
        return image

    def _check(self, label, where: str) -> int | str:
        if label is None or (self.class_names and not
                             0 <= label < len(self.class_names)):  # fmt: skip
            raise errors.UsageError(
                f"{where} has no class in column {self.label_column!r} (it is "
                f"{label}); leave out the rows or the split that have none."
            )
        return label


def _import_parquet(pattern: str):
    try:
        from pyarrow import parquet  # optional
    except ImportError as error:
        raise errors.UsageError(
            f"dataset=parquet:{pattern} needs pyarrow, which is not installed: "
            "pip install pyarrow, or pip install -e .[parquet]."
        ) from error
    return parquet


def _check_kinds(schema, name: str, image_column: str, label_column: str) -> None:
    import pyarrow

    kind = schema.field(image_column).type
    if pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if not (pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)):
        raise errors.UsageError(
            f"{name}: column {image_column!r} is {schema.field(image_column).type}; it "
            "has to be bytes, or a struct with a field 'bytes': name another column by "
            "--image_key."
        )
    kind = schema.field(label_column).type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pyarrow.types.is_string, pyarrow.types.is_large_string)
    if not (pyarrow.types.is_integer(kind) or any(is_a(kind) for is_a in texts)):
        raise errors.UsageError(
            f"{name}: column {label_column!r} is {kind}; it has to be one whole number "
            "or text a row: name another column by --label_key."
        )


def _read_class_names(schema, label_column: str) -> list[str] | None:
    """Names of the numbers in a column, as Hugging Face's `datasets` writes them."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        names = content["info"]["features"][label_column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    valid = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if valid and len(set(names)) == len(names) else None


def _name_classes(labels: list, files: list[_File]) -> dict:
    """Names by label: those of the metadata, or the labels themselves."""
    names = files[0].class_names
    if names and all(file.class_names == names for file in files):
        return dict(enumerate(names))
    return {label: str(label) for label in labels}


def _read_all(files: list[_File]) -> Iterator[tuple[bytes, int | str]]:
    for file in files:
        yield from file.read()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
