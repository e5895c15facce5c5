"""The images of a data set that a finished run is tried on."""

from collections.abc import Mapping, Sequence

import numpy as np

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, normalize_text

SPLITS = ("train", "validation", "test")


def select_split(
    source: Mapping[str, Examples], split: str, dataset: str
) -> tuple[str, Examples]:
    """Returns a split of a data set, or all of one that has no splits.

    Args:
        source: Examples under "all", or under the names of splits.
        split: One of SPLITS, or "all" for every image.
        dataset: For the message.

    Returns:
        "all" or the name of the split, and its examples.

    Raises:
        UsageError: There is no such split, or no image in it.
    """
    if "all" in source or split == "all":
        parts = list(source.values())
        split = "all"
    elif split in source:
        parts = [source[split]]
    else:
        raise errors.UsageError(
            f"{dataset} has no {split} split; it has {', '.join(source)}: choose one "
            "of them, or all."
        )
    examples = Examples(
        tuple(path for part in parts for path in part.paths),
        tuple(label for part in parts for label in part.labels),
        parts[0].class_names if parts else (),
        left_out=tuple(pair for part in source.values() for pair in part.left_out),
    )
    if not len(examples):
        remedy = (
            "a folder needs one subfolder of images per class"
            if split == "all"
            else "choose another split"
        )
        where = "" if split == "all" else f" in its {split} split"
        raise errors.UsageError(f"{dataset} has no image{where}; {remedy}.")
    return split, examples


def match_classes(
    examples: Examples, class_names: Sequence[str], dataset: str
) -> Examples:
    """Returns the same images with the labels that a model has for their classes.

    Args:
        examples: Of any data set.
        class_names: Of the model, in the order of its outputs. Some may have no image.
        dataset: For the message.

    Raises:
        UsageError: An image is of a class that the model does not know.
    """
    labels = {normalize_text(name): label for label, name in enumerate(class_names)}
    counts = examples.count_per_class()
    unknown = [
        examples.class_names[label]
        for label in np.flatnonzero(counts)
        if normalize_text(examples.class_names[label]) not in labels
    ]
    if unknown:
        shown = ", ".join(map(repr, class_names[:10])) + ", ..." * (len(labels) > 10)
        raise errors.UsageError(
            f"{dataset} has the class {unknown[0]!r}, which this run does not know "
            f"({len(unknown)} such classes); its classes are {shown} (labels.txt). "
            "Rename it, or remove its images."
        )
    known = [labels.get(normalize_text(name), -1) for name in examples.class_names]
    return Examples(
        examples.paths,
        tuple(known[label] for label in examples.labels),
        tuple(class_names),
        left_out=examples.left_out,
    )
