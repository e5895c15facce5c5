"""Images written one by one into `<split>/<class>/<file>`, resumed and counted.

All is written below a hidden folder beside the final one and renamed at the end: a
folder of the final name is whole. `source.json` in it says what it was made from.
"""

import collections
import dataclasses
import io
import json
import pathlib
import re
import shutil
import time
from collections.abc import Callable, Iterable

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.decoding import image_format
from adafilter_tf.files import atomic

_SOURCE = "source.json"
_LOG_EVERY = 10.0  # seconds
_SUFFIXES = (".jpg", ".png")


@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """One image of a data set.

    Attributes:
        split: "train", "validation" or "test".
        class_name: As published; what a folder cannot be called is replaced.
        name: Of the file, without its ending; unique within split and class.
        read: Gives the encoded image; not called for an image that exists.
    """

    split: str
    class_name: str
    name: str
    read: Callable[[], bytes]


def convert(
    images: Iterable[Image],
    folder: pathlib.Path,
    *,
    source: dict,
    num_classes: int,
    counts: dict[str, int],
) -> None:
    """Writes all images; resumes where an earlier call with the same source stopped.

    Args:
        images: In any order.
        folder: That appears at the end.
        source: What the images come from, to be written as JSON.
        num_classes: As published.
        counts: Published number of images; a key such as "train+validation" counts
            two splits together.

    Raises:
        errors.RunError: An image is unreadable, or a count differs.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    _begin(partial, source)
    total, done, new = sum(counts.values()), 0, 0
    start = last_log = time.monotonic()
    for done, image in enumerate(images, 1):
        new += _write(image, partial)
        now = time.monotonic()
        if now - last_log > _LOG_EVERY:
            last_log = now
            left = (now - start) / done * max(0, total - done)
            logging.info("%d of %d images, %.0f s left.", done, total, left)
    logging.info("%d images, %d of them written now.", done, new)
    check_counts(partial, num_classes=num_classes, counts=counts)
    (partial / ".unfinished").unlink(missing_ok=True)
    atomic.publish(partial, folder)


def check_counts(
    folder: pathlib.Path, *, num_classes: int, counts: dict[str, int]
) -> None:
    """Compares what a folder holds with what was published.

    Raises:
        errors.RunError: With both numbers of what differs.
    """
    found = count(folder)
    classes = {path.name for path in folder.glob("*/*") if path.is_dir()}
    differences = [
        f"{sum(found[split] for split in splits.split('+'))} {splits} images instead "
        f"of {expected}"
        for splits, expected in counts.items()
        if sum(found[split] for split in splits.split("+")) != expected
    ]
    if len(classes) != num_classes:
        differences.insert(0, f"{len(classes)} classes instead of {num_classes}")
    if differences:
        raise errors.RunError(
            f"The archive gave {', '.join(differences)}: it is incomplete or another "
            f"edition. Download it again; what was converted lies in {folder}."
        )


def count(folder: pathlib.Path) -> collections.Counter:
    """Number of images of each split of a folder."""
    images = (path for path in folder.glob("*/*/*") if not path.name.startswith("."))
    return collections.Counter(path.relative_to(folder).parts[0] for path in images)


def _begin(partial, source):
    """Makes the folder; what was made from another source is thrown away."""
    text = json.dumps(source, indent=2) + "\n"
    file = partial / _SOURCE
    if not file.is_file() or file.read_text("utf-8") != text:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")


def _write(image: Image, partial: pathlib.Path) -> bool:
    """Writes an image atomically unless it exists; returns whether it was written."""
    folder = partial / image.split / _folder_name(image.class_name)
    name = _folder_name(image.name)
    if any((folder / f"{name}{suffix}").is_file() for suffix in _SUFFIXES):
        return False
    encoded = image.read()
    suffix = image_format.suffix_of(encoded)
    if suffix is None:
        encoded, suffix = _to_png(encoded, f"{image.class_name}/{image.name}"), ".png"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = partial / ".unfinished"
    unfinished.write_bytes(encoded)
    unfinished.rename(folder / f"{name}{suffix}")
    return True


def _folder_name(name: str) -> str:
    """Returns the name without special characters; not hidden, not empty."""
    return re.sub(r"[/\\:\0]|^\.", "-", name) or "-"


def _to_png(encoded: bytes, name: str) -> bytes:
    """Converts a file that is neither JPEG nor PNG, such as a GIF, to PNG."""
    try:
        import PIL.Image as pillow
    except ImportError as error:
        raise errors.RunError(
            f"{name} is {image_format.describe(encoded)}: converting it needs Pillow. "
            "Install it with `pip install pillow`."
        ) from error
    buffer = io.BytesIO()
    try:
        with pillow.open(io.BytesIO(encoded)) as image:
            image.convert("RGB").save(buffer, "PNG")
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        raise errors.RunError(
            f"{name} cannot be read ({error}); download the archive again."
        ) from error
    return buffer.getvalue()
