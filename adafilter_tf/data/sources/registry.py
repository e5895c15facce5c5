"""The kinds of data sets, each one row of `SOURCES`, and what all of them must be."""

import dataclasses
import os
import unicodedata
from collections.abc import Callable, Mapping

import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, normalize_class_names, show_path
from adafilter_tf.data.sources import (
    csv_file,
    digits,
    emoji,
    image_folder,
    parquet,
    tfds_dataset,
    tfrecord,
    vtab,
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of data set.

    Attributes:
        usage: How it is named on the command line, and what it is.
        load: From the text behind the colon and the arguments named by `takes` to the
            examples of each split.
        takes: Which of data_dir, image_key and label_key `load` has.
        is_path: Whether the text behind the colon is a path, which may begin with `~`.
        every_class_trains: Whether each class must have a training image.
    """

    usage: str
    load: Callable[..., dict[str, Examples]]
    takes: tuple[str, ...] = ()
    is_path: bool = False
    every_class_trains: bool = True


# By their names alone.
_BUNDLED = ("digits", "emoji")
_RECORDS = ("data_dir", "image_key", "label_key")

SOURCES: Mapping[str, Source] = {
    "digits": Source(
        "digits (bundled)", lambda _, data_dir: digits.load_digits(data_dir),
        takes=("data_dir",),
    ),
    "emoji": Source("emoji (bundled)", lambda _: emoji.load_emoji()),
    "folder": Source(
        "folder:PATH with class/image.jpg or train|validation|test/class/image.jpg",
        image_folder.load_folder,
        is_path=True,
    ),
    "csv": Source(
        "csv:FILE with the columns path,label[,split]", csv_file.load_csv, is_path=True
    ),
    "tfrecord": Source(
        "tfrecord:FILES (a file, a folder, a glob)",
        tfrecord.load_tfrecord,
        takes=_RECORDS,
        is_path=True,
    ),
    "parquet": Source(
        "parquet:FILES (likewise)", parquet.load_parquet, takes=_RECORDS, is_path=True
    ),
    "vtab": Source(
        "vtab:NAME for VTAB-1k's 800 and 200 images",
        vtab.load_vtab,
        takes=("data_dir",),
        # A class may have none of the 800 images; so is the protocol.
        every_class_trains=False,
    ),
    "tfds": Source(
        "tfds:NAME[/CONFIG][:VERSION], or NAME alone, of TensorFlow Datasets",
        tfds_dataset.load_tfds,
        takes=_RECORDS,
    ),
}  # fmt: skip


def describe_usage() -> str:
    """How each kind of data set is named, for the help of a flag."""
    return ", ".join(source.usage for source in SOURCES.values())


def parse_dataset(dataset: str) -> tuple[str, str]:
    """Returns a data set's kind, a key of `SOURCES`, and the text behind the colon.

    A path alone is a folder, or a CSV file; any other text alone is a name of TFDS.

    Example:
        >>> parse_dataset("folder:photos")
        ('folder', 'photos')
        >>> parse_dataset("cifar10")
        ('tfds', 'cifar10')
    """
    kind, colon, argument = dataset.partition(":")
    if dataset in _BUNDLED:
        return dataset, ""
    if colon and kind in SOURCES and kind not in _BUNDLED:
        if SOURCES[kind].is_path:
            argument = os.path.expanduser(argument)
        return kind, argument
    path = os.path.expanduser(dataset)
    if os.path.isabs(path) or dataset.startswith(("./", "../")) or os.path.isdir(path):
        is_list = path.lower().endswith(".csv") and not os.path.isdir(path)
        return ("csv" if is_list else "folder"), path
    return "tfds", dataset


def load_source(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """The labelled images of a data set, in its ready-made splits if it has some.

    Args:
        dataset: A kind of `SOURCES` and what it needs, such as "folder:PATH", see
            `parse_dataset`.
        data_dir: Where downloaded and extracted data sets are kept; None is TFDS's
            default. Not used for "folder:" and "csv:".
        image_key: What holds the images in records and TFDS; None for the usual name.
        label_key: What holds the classes in them; None likewise.

    Returns:
        Examples under "all", or under "train" and, as far as they exist, "validation"
        and "test".

    Raises:
        errors.UsageError: The data set is unknown, not what its form asks for, or not
            fit for training: fewer than two classes, or a class in validation or test
            that train lacks.
        errors.RunError: It cannot be had.
    """
    source = read_source(
        dataset, data_dir=data_dir, image_key=image_key, label_key=label_key
    )
    if SOURCES[parse_dataset(dataset)[0]].every_class_trains:
        check_classes(dataset, source)
    return source


def read_source(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """`load_source` without a check that one can train on it."""
    kind, argument = parse_dataset(dataset)
    source = SOURCES[kind]
    keys = {"image_key": image_key, "label_key": label_key}
    for name, key in keys.items():
        if key is not None and name not in source.takes:
            taking = ", ".join(
                f"{form}:" for form, of in SOURCES.items() if name in of.takes
            )
            raise errors.UsageError(
                f"Received --{name}={key} for dataset={dataset}; only {taking} have "
                "keys. Remove the flag."
            )
    options = {"data_dir": data_dir, **keys}
    found = source.load(argument, **{name: options[name] for name in source.takes})
    return normalize_class_names(found)


def check_classes(dataset: str, source: dict[str, Examples]) -> None:
    """Checks that one can train on a data set.

    Raises:
        errors.UsageError: There is no train split, it has fewer than two classes, or
            another split has a class that it lacks.
    """
    name = "all" if "all" in source else "train"
    if name not in source:
        raise errors.UsageError(
            f"dataset={dataset} has the splits {', '.join(source)} but no train split; "
            "add one, or give the images without splits."
        )
    trained = source[name].count_per_class() > 0
    class_names = source[name].class_names
    for class_name in class_names:
        if show_path(class_name) != class_name or not class_name.strip():
            raise errors.UsageError(
                f"dataset={dataset}: the class name {class_name!r} is no line of text "
                "in UTF-8, which labels.txt needs; rename it."
            )
    for split, examples in source.items():
        unknown = np.flatnonzero((examples.count_per_class() > 0) & ~trained)
        if unknown.size:
            raise errors.UsageError(
                f"dataset={dataset}: class {class_names[unknown[0]]!r} is in {split} "
                f"but not in train ({unknown.size} such classes); add training images "
                f"of it or remove it from {split}."
            )
    if trained.sum() < 2:
        found = [class_names[i] for i in np.flatnonzero(trained)]
        raise errors.UsageError(
            f"dataset={dataset} has {len(found)} class with training images "
            f"({', '.join(found) or 'none'}); a classifier needs at least two: add "
            "images of another class, in a folder or under a label of its own."
        )
    for first, second in find_alike_names(class_names):
        logging.warning(
            "Are %r and %r one class? Their names differ only in case, blanks or the "
            "form of a number; the run trains them as two.",
            first,
            second,
        )


def find_alike_names(class_names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs of class names that a person may have meant as one.

    Example:
        >>> find_alike_names(("1", "1.0", "Zero", "zero", "one"))
        [('1', '1.0'), ('Zero', 'zero')]
    """
    first: dict[str, str] = {}
    pairs = []
    for name in class_names:
        key = _simplify(name)
        if key in first:
            pairs.append((first[key], name))
        first.setdefault(key, name)
    return pairs


def _simplify(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(character for character in text if character not in " _-\t")
    try:
        return str(float(name.replace(",", ".")))
    except ValueError:
        return text
