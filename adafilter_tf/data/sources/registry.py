"""One door to all sources of labelled images."""

import numpy as np

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.data.sources import (
    csv_file,
    digits,
    image_folder,
    parquet,
    tfds_dataset,
    tfrecord,
    vtab,
)


def load_source(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """The labelled images of a data set, in its ready-made splits if it has some.

    Args:
        dataset: "digits" (bundled), "folder:PATH", "csv:FILE", "tfrecord:FILES",
            "parquet:FILES", "vtab:NAME", or a data set of TFDS, "tfds:NAME" or its bare
            name.
        data_dir: Where downloaded and extracted data sets are kept; None is TFDS's
            default. Not used for "folder:" and "csv:".
        image_key: What holds the images in TFRecord and Parquet files; None for the
            first of the usual names.
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
    keys = {"image_key": image_key, "label_key": label_key}
    _check_keys(dataset, keys)
    source = read_source(dataset, data_dir=data_dir, **keys)
    if dataset.startswith("vtab:"):
        return source  # A class may have none of the 800 images; so is the protocol.
    check_classes(dataset, source)
    return source


def read_source(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """`load_source` without a look at whether one can train on it."""
    form, colon, argument = dataset.partition(":")
    records = {
        "parquet": parquet.load_parquet,
        "tfrecord": tfrecord.load_tfrecord,
    }
    if colon and form in records:
        return records[form](
            argument, data_dir, image_key=image_key, label_key=label_key
        )
    if dataset == "digits":
        return digits.load_digits(data_dir)
    if colon and form == "folder":
        return image_folder.load_folder(argument)
    if colon and form == "csv":
        return csv_file.load_csv(argument)
    if colon and form == "tfds":
        return tfds_dataset.load_tfds(argument, data_dir)
    if colon and form == "vtab":
        return vtab.load_vtab(argument, data_dir)
    return tfds_dataset.load_tfds(dataset, data_dir)


def _check_keys(dataset: str, keys: dict[str, str | None]) -> None:
    if dataset.startswith(("parquet:", "tfrecord:")):
        return
    for name, key in keys.items():
        if key is not None:
            raise errors.UsageError(
                f"Received --{name}={key} for dataset={dataset}; only tfrecord: and "
                "parquet: have keys. Remove the flag."
            )


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
