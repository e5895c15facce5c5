"""Every image decoded once before a run, so that none fails hours later."""

import csv
import os
import pathlib
import time
from collections.abc import Sequence
from concurrent import futures
from dataclasses import dataclass

import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.data import image_format, preprocessing
from adafilter_tf.data.examples import Examples, Splits

ON_BAD_IMAGE = ("error", "skip")
_LOG_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class BadImage:
    """A file that cannot be used, and why."""

    path: str
    reason: str


def verify_images(
    splits: Splits, *, on_bad_image: str = "error", channels: int = 3
) -> tuple[Splits, tuple[BadImage, ...]]:
    """Decodes every image as training will, on all cores.

    Damage that leaves a JPEG decodable (a wrong byte in the middle) is not found: no
    decoder reports it.

    Args:
        splits: The images to check.
        on_bad_image: "error" stops at unreadable images, "skip" drops them.
        channels: 1 or 3, as in training (a CMYK JPEG can be read as RGB only).

    Returns:
        The splits without unreadable images, and the list of those.

    Raises:
        errors.UsageError: `on_bad_image` is unknown.
        errors.RunError: An image is unreadable and `on_bad_image` is "error", or
            without the unreadable images a split or class has none.
    """
    paths = [path for _, examples in splits.items() for path in examples.paths]
    bad = _find_and_tell(paths, on_bad_image, channels)
    bad_paths = {image.path for image in bad}
    kept = {name: _without(name, part, bad_paths) for name, part in splits.items()}
    return Splits(**kept), bad


def keep_readable(
    examples: Examples, *, on_bad_image: str = "error", channels: int = 3
) -> Examples:
    """`verify_images` of images that nothing is trained on: classes may vanish.

    Raises:
        errors.UsageError: `on_bad_image` is unknown.
        errors.RunError: An image is unreadable and `on_bad_image` is "error", or all
            images are.
    """
    bad = _find_and_tell(examples.paths, on_bad_image, channels)
    bad_paths = {image.path for image in bad}
    if bad and bad_paths.issuperset(examples.paths):
        raise errors.RunError(
            f"None of the {len(examples)} images can be read, first {bad[0].path}: "
            f"{bad[0].reason}. Give JPEG or PNG files."
        )
    return examples.take(
        i for i, path in enumerate(examples.paths) if path not in bad_paths
    )


def write_skipped(skipped: Sequence[BadImage], path: str | os.PathLike) -> None:
    """Writes the list of `verify_images` as CSV, path,reason: whole or not at all."""
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.unfinished")
    with temporary.open(
        "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", "reason"])
        writer.writerows([image.path, image.reason] for image in skipped)
    temporary.replace(path)


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
    paths: Sequence[str], on_bad_image: str, channels: int
) -> tuple[BadImage, ...]:
    if on_bad_image not in ON_BAD_IMAGE:
        raise errors.UsageError(
            f"on_bad_image={on_bad_image}: allowed are {' and '.join(ON_BAD_IMAGE)}."
        )
    bad = _find_bad_images(paths, channels)
    if bad and on_bad_image == "error":
        raise errors.RunError(
            f"{len(bad)} of {len(paths)} images cannot be used, first {bad[0].path}: "
            f"{bad[0].reason}; replace or remove them, or leave them out with "
            "--on_bad_image=skip."
        )
    if bad:
        logging.warning("%d of %d images are left out.", len(bad), len(paths))
    for image in bad:
        logging.warning("Left out: %s: %s", image.path, image.reason)
    return bad


def _find_bad_images(paths: Sequence[str], channels: int) -> tuple[BadImage, ...]:
    bad = []
    start = last_log = time.monotonic()
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = pool.map(lambda path: _reason_against(path, channels), paths)
        for done, (path, reason) in enumerate(zip(paths, reasons, strict=True), 1):
            if reason is not None:
                bad.append(BadImage(path, reason))
            now = time.monotonic()
            if now - last_log > _LOG_EVERY:
                last_log = now
                left = (now - start) / done * (len(paths) - done)
                logging.info(
                    "Checked %d of %d images, %.0f s left.", done, len(paths), left
                )
    return tuple(bad)


def _reason_against(path: str, channels: int) -> str | None:
    """Why the image cannot be used, None if it can."""
    _, reason = image_format.read_image(
        path,
        lambda encoded: preprocessing.decode_image(encoded, channels),
        channels=channels,
    )
    return reason


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
