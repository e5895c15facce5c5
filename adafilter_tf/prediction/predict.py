"""Predictions for image files: one row per file, whatever is wrong with the others."""

import collections
import dataclasses
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from adafilter_tf import errors
from adafilter_tf.data.decoding import conversion, preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image.

    Attributes:
        path: The file, as it was given.
        classes: The k most probable classes, the most probable first; empty names for
            an image that could not be read.
        probabilities: Their probabilities; NaN for an image that could not be read.
        error: Why the image could not be read; None if it was.
        label: The class that the image is labelled with; None where that is not known.
    """

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    error: str | None = None
    label: str | None = None


def predict_paths(
    model: keras.Model,
    paths: Iterable[str],
    spec: ImageSpec,
    *,
    class_names: Sequence[str],
    batch_size: int,
    top_k: int = 5,
) -> Iterator[Prediction]:
    """Yields one row per path, in order, while the next batch is read and decoded.

    No more than two batches are in memory, however many paths there are.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        paths: JPEG or PNG files.
        spec: how an image becomes pixels [S, S, C].
        class_names: K names.
        batch_size: B; fewer if there are fewer paths. A last batch that is not full is
            filled with zeros, so that the model is traced for one shape only.
        top_k: How many classes a row has; fewer if the model has fewer.

    Raises:
        RunError: A logit is not finite; the image is named.
    """
    top_k = min(top_k, len(class_names))
    read = create_reader(spec)
    shape = None
    for batch_paths, contents in _read_ahead(paths, batch_size, read):
        shape = shape or (len(batch_paths), *spec.shape)
        images = np.zeros(shape, np.float32)
        for row, content in enumerate(contents):
            if not isinstance(content, str):
                images[row] = content
        logits = model.predict_on_batch(images)
        for path, content, scores in zip(batch_paths, contents, logits, strict=False):
            if isinstance(content, str):
                yield Prediction(path, ("",) * top_k, (math.nan,) * top_k, content)
            else:
                yield rank_classes(path, scores, class_names, top_k)


def rank_classes(
    path: str, logits: np.ndarray, class_names: Sequence[str], top_k: int
) -> Prediction:
    """Returns the most probable classes of an image.

    Args:
        path: Of the image.
        logits: [K].
        class_names: K names.
        top_k: How many classes, at most K.

    Raises:
        RunError: A logit is not finite; the image is named.
    """
    if not np.all(np.isfinite(logits)):
        raise errors.RunError(
            f"The model has non-finite logits (NaN or Inf) for {path}. Its "
            "weights are damaged: train again or use a checkpoint."
        )
    probabilities = special.softmax(logits.astype(np.float64))
    order = np.argsort(-logits, kind="stable")[:top_k]
    return Prediction(
        path,
        tuple(class_names[k] for k in order),
        tuple(float(probabilities[k]) for k in order),
    )


def create_reader(spec: ImageSpec) -> Callable[[str], np.ndarray | str]:
    """Returns a function from a path to pixels [S, S, C], or to why there are none.

    Args:
        spec: How an image becomes float32 pixels in 0..255.
    """

    def preprocess(encoded: tf.Tensor) -> tf.Tensor:
        return preprocessing.preprocess_for_evaluation(encoded, spec)

    traced = tf.function(
        preprocess, input_signature=[tf.TensorSpec([], tf.string)], autograph=False
    )

    def read(path: str) -> np.ndarray | str:
        pixels, reason = conversion.read_image(
            path, traced, channels=spec.channels, max_pixels=spec.max_pixels
        )
        return pixels.numpy() if reason is None else reason

    return read


def _read_ahead(
    paths: Iterable[str], batch_size: int, read: Callable
) -> Iterator[tuple[Sequence[str], list]]:
    """Yields (paths, contents) of each batch while threads read the next one."""
    paths = iter(paths)
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        started: collections.deque[tuple[tuple[str, ...], list]] = collections.deque()
        while batch := tuple(itertools.islice(paths, batch_size)):
            started.append((batch, [pool.submit(read, path) for path in batch]))
            if len(started) > 1:
                batch, contents = started.popleft()
                yield batch, [content.result() for content in contents]
        for batch, contents in started:
            yield batch, [content.result() for content in contents]
