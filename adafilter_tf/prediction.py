"""Predictions for image files: one row per file, whatever is wrong with the others."""

import collections
import csv
import dataclasses
import glob
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from typing import TextIO

import keras
import numpy as np
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.data import image_format, preprocessing
from adafilter_tf.data.folder_source import IMAGE_SUFFIXES


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says of one image.

    Attributes:
        path: the file, as it was given.
        classes: the k most probable classes, the most probable first; empty names for
            an image that could not be read.
        probabilities: their probabilities; NaN for an image that could not be read.
        error: why the image could not be read; None if it was.
    """

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    error: str | None = None


def expand_images(patterns: Iterable[str]) -> list[str]:
    """Image files from files, folders and glob patterns, each file once.

    A file that is named is taken whatever its suffix. Folders (searched at any depth)
    and patterns (`**` for any depth) give their `.jpg`, `.jpeg` and `.png` files in
    alphabetical order, hidden ones left out.

    Raises:
        RunError: no pattern, or one that gives no image.
    """
    files: dict[str, None] = {}
    for pattern in patterns:
        matches = _matches(pattern)
        if not matches:
            raise errors.RunError(
                f"Received {pattern!r}, which gives no image; allowed are a file, a "
                f"folder with {', '.join(IMAGE_SUFFIXES)} files at any depth, or a "
                "glob pattern. Check the path, relative to the current folder."
            )
        files.update(dict.fromkeys(matches))
    if not files:
        raise errors.RunError(
            "Received no image to predict; name at least one file, folder or glob "
            "pattern."
        )
    return list(files)


def predict_paths(
    model: keras.Model,
    paths: Sequence[str],
    *,
    class_names: Sequence[str],
    image_size: int,
    channels: int,
    crop_fraction: float,
    batch_size: int,
    top_k: int = 5,
) -> Iterator[Prediction]:
    """Yields one row per path, in order, while the next batch is read and decoded.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        paths: JPEG or PNG files.
        class_names: K names.
        image_size: S.
        channels: C, 1 or 3.
        crop_fraction: share of the shorter side that the central crop keeps.
        batch_size: B. A last batch that is not full is filled with zeros, so that the
            model is traced for one shape only.
        top_k: how many classes a row gives; fewer if the model has fewer.

    Raises:
        RunError: the model gives a logit that is not finite; the image is named.
    """
    batch_size = min(batch_size, len(paths))
    top_k = min(top_k, len(class_names))
    read = _reader(image_size, channels, crop_fraction)
    for batch_paths, contents in _read_ahead(paths, batch_size, read):
        images = np.zeros((batch_size, image_size, image_size, channels), np.float32)
        for row, content in enumerate(contents):
            if not isinstance(content, str):
                images[row] = content
        logits = model.predict_on_batch(images)
        for path, content, scores in zip(batch_paths, contents, logits, strict=False):
            if isinstance(content, str):
                yield Prediction(path, ("",) * top_k, (math.nan,) * top_k, content)
            else:
                yield _prediction(path, scores, class_names, top_k)


def write_csv(rows: Iterable[Prediction], file: TextIO) -> tuple[int, int]:
    """Writes rows as they come; gives the number of rows and of those with an error.

    The columns: `path,class,probability,class_2,probability_2,...,error`, where the
    first class is the most probable one. Broken images have only `path` and `error`.
    """
    writer = csv.writer(file, lineterminator="\n")
    num_rows = num_errors = 0
    for row in rows:
        if num_rows == 0:
            writer.writerow(_header(len(row.classes)))
        scores = ["" if math.isnan(p) else f"{p:.6g}" for p in row.probabilities]
        pairs = zip(row.classes, scores, strict=True)
        cells = [cell for pair in pairs for cell in pair]
        writer.writerow([row.path, *cells, row.error or ""])
        num_rows += 1
        num_errors += row.error is not None
    if num_rows == 0:
        writer.writerow(_header(1))
    return num_rows, num_errors


def save_csv(rows: Iterable[Prediction], path: str) -> tuple[int, int]:
    """`write_csv` into a file that appears only when it is complete."""
    temporary = f"{path}.tmp"
    # A file name need not be valid UTF-8.
    with open(
        temporary, "w", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        counts = write_csv(rows, file)
    os.replace(temporary, path)
    return counts


def _matches(pattern: str) -> list[str]:
    if os.path.isdir(pattern):
        return _images_below(pattern)
    if os.path.exists(pattern):
        return [pattern]
    found = []
    for match in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isdir(match):
            found.extend(_images_below(match))
        elif match.lower().endswith(IMAGE_SUFFIXES):
            found.append(match)
    return found


def _images_below(folder: str) -> list[str]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(
            os.path.join(parent, name)
            for name in names
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
        )
    return sorted(found)


def _reader(
    image_size: int, channels: int, crop_fraction: float
) -> Callable[[str], np.ndarray | str]:
    """Makes a function from a path to pixels [S, S, C], or to the reason for none."""

    def preprocess(encoded: tf.Tensor) -> tf.Tensor:
        return preprocessing.preprocess_for_evaluation(
            encoded,
            image_size=image_size,
            channels=channels,
            crop_fraction=crop_fraction,
        )

    traced = tf.function(
        preprocess, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
    )

    def read(path: str) -> np.ndarray | str:
        pixels, reason = image_format.read_image(path, traced, channels=channels)
        return pixels.numpy() if reason is None else reason

    return read


def _read_ahead(
    paths: Sequence[str], batch_size: int, read: Callable
) -> Iterator[tuple[Sequence[str], list]]:
    """Yields (paths, contents) of each batch while threads read the next one."""
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        started = collections.deque()
        for start in range(0, len(paths), batch_size or 1):
            batch = paths[start : start + batch_size]
            started.append((batch, [pool.submit(read, path) for path in batch]))
            if len(started) > 1:
                batch, contents = started.popleft()
                yield batch, [content.result() for content in contents]
        for batch, contents in started:
            yield batch, [content.result() for content in contents]


def _prediction(
    path: str, logits: np.ndarray, class_names: Sequence[str], top_k: int
) -> Prediction:
    if not np.all(np.isfinite(logits)):
        raise errors.RunError(
            f"The model gives logits that are not finite for {path}; allowed are "
            "finite numbers. Its weights are damaged: train again or use a checkpoint."
        )
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponentials / exponentials.sum()
    order = np.argsort(-logits, kind="stable")[:top_k]
    return Prediction(
        path,
        tuple(class_names[k] for k in order),
        tuple(float(probabilities[k]) for k in order),
    )


def _header(num_classes: int) -> list[str]:
    others = range(2, num_classes + 1)
    columns = [cell for k in others for cell in (f"class_{k}", f"probability_{k}")]
    return ["path", "class", "probability", *columns, "error"]
