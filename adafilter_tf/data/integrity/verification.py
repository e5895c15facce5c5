"""Images that cannot be used are found before a run: they stop it or are left out."""

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.decoding import pixel_limit
from adafilter_tf.data.examples import Examples, Splits, show_path
from adafilter_tf.data.integrity import manifest, scan
from adafilter_tf.files.atomic import write_csv

ON_BAD_IMAGE = ("error", "skip")


@dataclass(frozen=True)
class BadImage:
    """A file that cannot be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """What is done about images that cannot be used.

    Attributes:
        on_bad_image: "error" stops at them, "skip" leaves them out.
        max_bad_fraction: Share of the images, 0..1, that may be left out; more of them
            is a mistake in the data set rather than dirt.
        max_pixels: Images with more cannot be used.
    """

    on_bad_image: str = "error"
    max_bad_fraction: float = 1.0
    max_pixels: int = pixel_limit.MOST_PIXELS

    def __post_init__(self):
        """Checks the values."""
        if self.on_bad_image not in ON_BAD_IMAGE:
            raise errors.UsageError(
                f"on_bad_image={self.on_bad_image}: allowed are "
                f"{' and '.join(ON_BAD_IMAGE)}."
            )


def verify_images(
    splits: Splits,
    rule: Rule = Rule(),
    *,
    channels: int = 3,
    cache: str | os.PathLike | None = None,
) -> tuple[Splits, tuple[BadImage, ...]]:
    """Looks at every image once (`scan`), and drops or refuses what cannot be used.

    The splits are drawn before, so that an unreadable image shifts no other one.

    Args:
        splits: The images to check.
        rule: What is done about unreadable ones.
        channels: 1 or 3, as in training (a CMYK JPEG can be read as RGB only).
        cache: Manifest that makes a second look quick.

    Returns:
        The splits without unreadable images, and the list of those.

    Raises:
        errors.RunError: An image is unreadable and the rule says so, or without the
            unreadable images a split or class has none.
    """
    paths = [path for _, examples in splits.items() for path in examples.paths]
    bad = _find_and_tell(paths, rule, channels, cache)
    bad_paths = {image.path for image in bad}
    kept = {name: _without(name, part, bad_paths) for name, part in splits.items()}
    return Splits(**kept), bad


def keep_readable(
    examples: Examples,
    rule: Rule = Rule(),
    *,
    channels: int = 3,
    cache: str | os.PathLike | None = None,
) -> Examples:
    """`verify_images` of images that nothing is trained on: classes may vanish.

    Raises:
        errors.RunError: An image is unreadable and the rule says so, or all images are.
    """
    bad = _find_and_tell(examples.paths, rule, channels, cache)
    bad_paths = {image.path for image in bad}
    return examples.take(
        i for i, path in enumerate(examples.paths) if path not in bad_paths
    )


def list_left_out(source: Mapping[str, Examples]) -> tuple[BadImage, ...]:
    """Returns what a source found and does not use, as `verify_images` lists images."""
    return tuple(
        BadImage(path, reason)
        for examples in source.values()
        for path, reason in examples.left_out
    )


def write_skipped(skipped: Sequence[BadImage], path: str | os.PathLike) -> None:
    """Writes the list of `verify_images` as CSV, path,reason: whole or not at all."""
    rows = ((image.path, image.reason) for image in skipped)
    write_csv(path, ("path", "reason"), rows)


def read_skipped(path: str | os.PathLike) -> list[str]:
    """Returns the paths in a list of `write_skipped`; none when there is no such file.

    Raises:
        errors.RunError: It is no such list.
    """
    path = pathlib.Path(path)
    if not path.exists():
        return []
    try:
        with path.open(
            encoding="utf-8", errors="surrogateescape", newline=""
        ) as stream:
            return [row["path"] for row in csv.DictReader(stream, strict=True)]
    except (OSError, csv.Error, KeyError) as error:
        raise errors.RunError(
            f"{path} is not a list of images that were left out, as a run writes it "
            "(columns path,reason): put the run's own file back."
        ) from error


def _find_and_tell(
    paths: Sequence[str], rule: Rule, channels: int, cache: str | os.PathLike | None
) -> tuple[BadImage, ...]:
    entries = scan.scan_images(paths, cache=cache)
    _tell_notes(entries)
    reasons = (reason_against(entry, channels, rule.max_pixels) for entry in entries)
    bad = tuple(
        BadImage(path, reason)
        for path, reason in zip(paths, reasons, strict=True)
        if reason is not None
    )
    if not bad:
        return bad
    found = (
        f"{len(bad)} of {len(paths)} images cannot be used, first {bad[0].path}: "
        f"{bad[0].reason}"
    )
    if rule.on_bad_image == "error":
        remedy = ", or leave them out with --on_bad_image=skip"
        raise errors.RunError(
            f"{found}; replace or remove them{remedy * (len(bad) < len(paths))}."
        )
    if len(bad) == len(paths):
        raise errors.RunError(
            f"None of the {len(paths)} images can be read, first {bad[0].path}: "
            f"{bad[0].reason}; replace them."
        )
    if len(bad) > rule.max_bad_fraction * len(paths):
        raise errors.RunError(
            f"{found}. That is more than --max_bad_fraction={rule.max_bad_fraction:g} "
            "allows to leave out: replace or remove them, or allow more."
        )
    logging.warning("%d of %d images are left out.", len(bad), len(paths))
    for image in bad:
        logging.warning("Left out: %s: %s", image.path, image.reason)
    return bad


def _tell_notes(entries: Sequence[manifest.ImageEntry]) -> None:
    noted = [entry for entry in entries if entry.note]
    if noted:
        logging.warning(
            "%d of %d images look empty, first %s: %s. Check that they are what you "
            "think; --mode=inspect lists them in manifest.csv.",
            len(noted),
            len(entries),
            show_path(noted[0].path),
            noted[0].note,
        )


def reason_against(
    entry: manifest.ImageEntry, channels: int, max_pixels: int
) -> str | None:
    """Why the image cannot be used, None if it can.

    Args:
        entry: What the scan found.
        channels: As in training, 1 or 3.
        max_pixels: See `Rule`.
    """
    if entry.status != manifest.OK:
        return entry.status
    if (num_pixels := entry.height * entry.width) > max_pixels:
        return pixel_limit.explain_excess(num_pixels, max_pixels)
    if entry.format == "JPEG" and entry.channels == 4 and channels == 1:
        return "a CMYK JPEG file, which cannot become grey; convert it to RGB"
    return None


def _without(split: str, examples: Examples, bad_paths: set[str]) -> Examples:
    kept = examples.take(
        i for i, path in enumerate(examples.paths) if path not in bad_paths
    )
    lost = np.flatnonzero(
        (examples.count_per_class() > 0) & (kept.count_per_class() == 0)
    )
    if lost.size:
        raise errors.RunError(
            f"Without its unreadable images class {examples.class_names[lost[0]]!r} "
            f"has none in {split} ({lost.size} such classes): replace the images or "
            "remove the class."
        )
    return kept
