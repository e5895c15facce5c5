"""Parquet files with image bytes, as image files."""

import json
import os
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
    numbers or texts. Each file's numbers are read by its own names, so that files with
    the same names in another order agree.

    Args:
        pattern: A file, a folder or a glob pattern, see `record_files.find_files`.
        data_dir: Where extracted images are kept; None is TFDS's default.
        image_key: Column of image files; None for the first of IMAGE_COLUMNS.
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
             for _, of_split in sorted(splits.items(), key=lambda of: of[0] != "train")
             for name in of_split]  # fmt: skip
    class_names = _join_class_names(files)
    by_name = {file.name: file for file in files}
    beside = sorted({path for file in files for path in file.list_files_beside()})
    logging.info(
        "Parquet: images are column %r, classes %r.",
        files[0].image_column,
        files[0].label_column,
    )
    return extraction.extract_once(
        record_files.name_extraction(
            "parquet", splits, image_key, label_key, beside=beside
        ),
        data_dir=data_dir,
        class_names=lambda labels: (
            {name: name for name in class_names}
            if class_names
            else {label: str(label) for label in labels}
        ),
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
            file = self._file_beside(image, where)
            if file is not None:
                return pathlib.Path(file).read_bytes()
            image = image.get("bytes")
        if image is None:
            raise errors.UsageError(
                f"{where} has no image in column {self.image_column!r}; remove the "
                "row, or write the file with the images' bytes inside."
            )
        return image

    def list_files_beside(self) -> list[str]:
        """The image files that rows without bytes refer to."""
        if not self._needs_files():
            return []
        columns = [f"{self.image_column}.path"]
        if self._count_missing_bytes() is None:
            columns = [self.image_column]
        found = []
        for batch in self._file.iter_batches(_ROWS, columns=columns):
            for image in batch.column(0).to_pylist():
                file = self._file_beside(image or {}, f"A row of {self.name}")
                found += [file] if file is not None else []
        return found

    def _needs_files(self) -> bool:
        import pyarrow

        kind = self._file.schema_arrow.field(self.image_column).type
        has_path = pyarrow.types.is_struct(kind) and kind.get_field_index("path") >= 0
        return has_path and self._count_missing_bytes() != 0

    def _count_missing_bytes(self) -> int | None:
        """Rows without bytes by the file's statistics; None if it has none."""
        metadata, missing = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for index in range(row_group.num_columns):
                column = row_group.column(index)
                if column.path_in_schema == f"{self.image_column}.bytes":
                    statistics = column.statistics
                    if statistics is None or not statistics.has_null_count:
                        return None
                    missing += statistics.null_count
        return missing

    def _file_beside(self, image: dict, where: str) -> str | None:
        """The image file of a row without bytes, in the folder of the Parquet file."""
        content, path = image.get("bytes"), image.get("path")
        if content is not None or not path:
            return None
        folder = os.path.realpath(os.path.dirname(self.name))
        file = os.path.realpath(os.path.join(folder, path))
        if os.path.commonpath([folder, file]) != folder:
            raise errors.UsageError(
                f"{where} refers to {path}, which is not below {folder}: move the "
                "image there, or write the file with the images' bytes inside."
            )
        return file if os.path.isfile(file) else None

    def _check(self, label, where: str) -> int | str:
        if label == extraction.UNLABELLED:
            return label
        if self.class_names and label in range(len(self.class_names)):
            return self.class_names[label]
        if label is None or self.class_names:
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


def _join_class_names(files: list[_File]) -> list[str]:
    """The names of all files, in the order of the first; none if they have none.

    Raises:
        errors.UsageError: Some files name their classes and some do not.
    """
    nameless = [file for file in files if file.class_names is None]
    if len(nameless) == len(files):
        return []
    if nameless:
        named = next(file for file in files if file.class_names is not None)
        raise errors.UsageError(
            f"{named.name} names its classes and {nameless[0].name} does not, so that "
            "their numbers may mean different classes; write the names into all files "
            "or none."
        )
    orders = {tuple(file.class_names or ()) for file in files}
    if len(orders) > 1:
        logging.warning(
            "The Parquet files have %d different lists of class names; their numbers "
            "are read by the names of each file.",
            len(orders),
        )
    return list(dict.fromkeys(
        name for file in files for name in file.class_names or ()))  # fmt: skip


def _read_all(files: list[_File]) -> Iterator[tuple[bytes, int | str]]:
    for file in files:
        yield from file.read()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
