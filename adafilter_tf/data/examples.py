"""Labelled image files: what every source gives and every later step takes."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_LINE_BREAKS = ("Cc", "Zl", "Zp")  # Unicode's categories, tabs and others among them


def show_path(path: str) -> str:
    """A path as it can be shown: names may hold line breaks and be no UTF-8."""
    text = path.encode("utf-8", "backslashreplace").decode()
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in _LINE_BREAKS
        else character
        for character in text
    )


@dataclass(frozen=True)
class Examples:
    """A labelled list of image files.

    Attributes:
        paths: Path of each JPEG or PNG file.
        labels: Class of each file, an index into `class_names`.
        class_names: Name of each class. A class may have no example here (a split
            shares the class names of its whole data set).
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]

    def __post_init__(self):
        """Checks that paths and labels go together."""
        if len(self.paths) != len(self.labels):
            raise ValueError(
                f"Examples needs one label per path, received {len(self.paths)} paths "
                f"and {len(self.labels)} labels."
            )

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.paths)

    def take(self, indices: Iterable[int]) -> "Examples":
        """The examples at `indices`, in the order of `indices`."""
        indices = [int(i) for i in indices]
        return Examples(
            paths=tuple(self.paths[i] for i in indices),
            labels=tuple(self.labels[i] for i in indices),
            class_names=self.class_names,
        )

    def count_per_class(self) -> np.ndarray:
        """Number of examples of each class: int64 [num_classes]."""
        labels = np.asarray(self.labels, np.int64)
        return np.bincount(labels, minlength=len(self.class_names))


@dataclass(frozen=True)
class Splits:
    """The three disjoint parts of a data set, with the same class names."""

    train: Examples
    validation: Examples
    test: Examples

    def items(self) -> tuple[tuple[str, Examples], ...]:
        """Pairs (name, examples) in the order train, validation, test."""
        return (
            ("train", self.train),
            ("validation", self.validation),
            ("test", self.test),
        )
