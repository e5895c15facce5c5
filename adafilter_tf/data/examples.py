"""Labelled image files: what every source gives and every later step takes."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

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
        paths: Path of each image file.
        labels: Class of each file, an index into `class_names`.
        class_names: Name of each class. A class may have no example here (a split
            shares the class names of its whole data set).
        left_out: Pairs (path, reason) of what a source found and does not use.

    Example:
        >>> pets = Examples(("a.png", "b.png"), (1, 0), ("cat", "dog"))
        >>> pets.take([1]).labels
        (0,)
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

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


def same_text(first: str, second: str) -> bool:
    """Whether two texts are equal to a reader, whatever their Unicode form."""
    return first == second or normalize_text(first) == normalize_text(second)


def normalize_text(text: str) -> str:
    """A text in the one Unicode form (NFC) in which names of classes are compared."""
    return unicodedata.normalize("NFC", text)


def normalize_class_names(source: Mapping[str, Examples]) -> dict[str, Examples]:
    """The same examples with class names in NFC; names that only differ there are one.

    Args:
        source: Splits, each with its own or shared class names.
    """
    return {split: _normalize(examples) for split, examples in source.items()}


def _normalize(examples: Examples) -> Examples:
    old = examples.class_names
    names = tuple(dict.fromkeys(map(normalize_text, old)))
    if names == tuple(old):
        return examples
    if list(old) == sorted(old):
        names = tuple(sorted(names))
    indices = {name: index for index, name in enumerate(names)}
    new = [indices[normalize_text(name)] for name in old]
    return replace(
        examples,
        labels=tuple(new[label] for label in examples.labels),
        class_names=names,
    )
