"""Train, validation and test: made from a seed, written as a file list, read back."""

import csv
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.files.atomic import write_csv

_COLUMNS = ("path", "label", "split", "class_index")


def make_splits(
    source: dict[str, Examples],
    *,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    examples_per_class: int | None = None,
    test_seed: int | None = None,
) -> Splits:
    """Stratified splits; ready-made ones are kept as they are.

    What the source lacks is taken from its training images, class by class: a share of
    them, rounded, and at least one. Nothing is ever taken from a ready-made validation
    or test split. The result depends on the set of files and the seed only, and the
    training images for few `examples_per_class` are among those for more.

    Args:
        source: Examples under "all", or under "train" and perhaps others.
        seed: Not negative.
        validation_fraction: Share of the source's training images, used if the source
            has no validation split; 0 leaves validation empty.
        test_fraction: Share of the source's training images, used if the source has no
            test split.
        examples_per_class: Number of training images kept per class; None keeps all.
        test_seed: Draws the test images, so that runs of several seeds share them;
            None is `seed`.

    Raises:
        errors.UsageError: The fractions or `examples_per_class` are out of range.
        errors.RunError: A class has too few images, a split is empty, or one file is in
            two splits.
    """
    validation_fraction = 0.0 if "validation" in source else validation_fraction
    test_fraction = 0.0 if "test" in source else test_fraction
    _check_arguments(source, validation_fraction, test_fraction, examples_per_class)
    pool = _sorted(source["all"] if "all" in source else source["train"])
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for label, class_name in enumerate(pool.class_names):
        members = np.flatnonzero(np.asarray(pool.labels) == label)
        if not members.size:
            continue  # a class that the data set declares but does not contain
        num_test, num_validation = _counts(
            members.size, test_fraction, validation_fraction, class_name
        )
        members = _shuffle(members, label, num_test, seed, test_seed)
        rest = members[num_test + num_validation :]
        parts["test"] += list(members[:num_test])
        parts["validation"] += list(members[num_test : num_test + num_validation])
        parts["train"] += list(_few(rest, examples_per_class, class_name))
    made = {name: pool.take(sorted(part)) for name, part in parts.items()}
    splits = Splits(
        train=made["train"],
        validation=_sorted(source.get("validation", made["validation"])),
        test=_sorted(source.get("test", made["test"])),
    )
    _check_splits(splits, validation_may_be_empty="validation" not in source)
    return splits


def write_splits(splits: Splits, path: str | os.PathLike) -> None:
    """Writes one line per image: path, name of the class, split, index of the class.

    A class without any image has a line without path and split, so that `read_splits`
    gives back the same class names. The file appears whole or not at all.
    """
    write_csv(path, _COLUMNS, _list_rows(splits))


def _list_rows(splits: Splits) -> Iterator[tuple]:
    class_names = splits.train.class_names
    unused = set(range(len(class_names)))
    for split, examples in splits.items():
        for image, label in zip(examples.paths, examples.labels, strict=True):
            yield image, class_names[label], split, label
        unused -= set(examples.labels)
    for label in sorted(unused):
        yield "", class_names[label], "", label


def read_splits(path: str | os.PathLike) -> Splits:
    """What `write_splits` wrote: the same examples in the same order.

    Raises:
        errors.RunError: There is no such file, or `write_splits` did not write it.
    """
    path = pathlib.Path(path)
    parts: dict[str, tuple[list[str], list[int]]] = {
        name: ([], []) for name in ("train", "validation", "test")
    }
    names: dict[int, str] = {}
    try:
        with path.open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            for row in csv.DictReader(stream, strict=True):
                label = int(row["class_index"])
                names[label] = row["label"]
                if row["path"]:
                    paths, labels = parts[row["split"]]
                    paths.append(row["path"])
                    labels.append(label)
        class_names = tuple(names[label] for label in range(len(names)))
    except OSError as error:
        raise errors.RunError(
            f"The list of splits {path} cannot be read ({error.strerror}): start a new "
            "run in another --output_dir, or put the file back."
        ) from error
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise errors.RunError(
            f"{path} is not a list of splits as a run writes it (columns "
            f"{','.join(_COLUMNS)}): put the run's own file back."
        ) from error
    return Splits(
        *(
            Examples(tuple(paths), tuple(labels), class_names)
            for paths, labels in parts.values()
        )
    )


def _check_arguments(source, validation_fraction, test_fraction, examples_per_class):
    if min(validation_fraction, test_fraction) < 0 or (
        validation_fraction + test_fraction >= 1
    ):
        raise errors.UsageError(
            f"validation_fraction={validation_fraction} and test_fraction="
            f"{test_fraction}: each is 0 or more, and their sum below 1, so that "
            "something is left to train on."
        )
    if "test" not in source and test_fraction == 0:
        raise errors.UsageError(
            "test_fraction=0 but the data set has no test split; give a test_fraction "
            "above 0, such as 0.2."
        )
    if examples_per_class is not None and examples_per_class < 1:
        raise errors.UsageError(
            f"examples_per_class={examples_per_class}: it is at least 1, or left out "
            "to train on all images."
        )


def _counts(
    num_images: int, test_fraction: float, validation_fraction: float, class_name: str
) -> tuple[int, int]:
    """How many images of one class go to test and to validation."""
    fractions = (test_fraction, validation_fraction)
    needed = 1 + sum(fraction > 0 for fraction in fractions)
    if num_images < needed:
        raise errors.RunError(
            f"Class {class_name!r} has {num_images} images, too few for {needed} "
            "splits: add images or remove the class."
        )
    test, validation = (
        max(1, int(num_images * fraction + 0.5)) if fraction > 0 else 0
        for fraction in fractions
    )
    test = min(test, num_images - needed + (test_fraction > 0))
    return test, min(validation, num_images - 1 - test)


def _shuffle(members, label, num_test, seed, test_seed) -> np.ndarray:
    """Orders a class by the seed, its first `num_test` images by the test seed."""
    if test_seed is None:
        return np.random.default_rng([seed, label]).permutation(members)
    members = np.random.default_rng([test_seed, label]).permutation(members)
    rest = np.random.default_rng([seed, label]).permutation(members[num_test:])
    return np.concatenate([members[:num_test], rest])


def _few(indices: np.ndarray, examples_per_class: int | None, class_name: str):
    if examples_per_class is None:
        return indices
    if len(indices) < examples_per_class:
        raise errors.RunError(
            f"Class {class_name!r} has {len(indices)} training images, fewer than "
            f"examples_per_class={examples_per_class}: lower it to {len(indices)} or "
            "add images."
        )
    return indices[:examples_per_class]


def _sorted(examples: Examples) -> Examples:
    return examples.take(sorted(range(len(examples)), key=examples.paths.__getitem__))


def _check_splits(splits: Splits, *, validation_may_be_empty: bool) -> None:
    seen: dict[str, tuple[str, str, str]] = {}
    find_real_path = RealPaths()
    for split, examples in splits.items():
        if not len(examples) and not (
            split == "validation" and validation_may_be_empty
        ):
            raise errors.RunError(
                f"The {split} split has no image: add images to it, or remove the "
                "ready-made split so that it is taken from train."
            )
        for path, label in zip(examples.paths, examples.labels, strict=True):
            role = path, split, examples.class_names[label]
            other = seen.setdefault(find_real_path(path), role)
            if other is not role:
                _check_same_file(other, role)


def _check_same_file(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    """Refuses two entries of a file, unless links repeat it in its split and class."""
    path, split, class_name = first
    if path == second[0]:
        which = f"{path} is listed twice"
    else:
        which = f"{path} and {second[0]} are one file"
    if class_name != second[2]:
        raise errors.RunError(
            f"{which}, with two labels, {class_name!r} and {second[2]!r}: remove the "
            "wrong one."
        )
    if split != second[1] or path == second[0]:
        raise errors.RunError(
            f"{which}, in {split} and in {second[1]}: an image may be in one split "
            "only; remove one of the two."
        )


class RealPaths:
    """From a path to that of the file behind links and `..`, each folder asked once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """The real path of a file; a link to no file is only itself."""
        if os.path.islink(path):
            real = os.path.realpath(path)
            return real if os.path.isfile(real) else path
        folder, name = os.path.split(path)
        if name in ("", ".", ".."):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
