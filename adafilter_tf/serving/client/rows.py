"""Image files to requests of bounded size, and answers to rows of predictions."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from adafilter_tf import errors
from adafilter_tf.data.decoding import image_format
from adafilter_tf.prediction import Prediction

# A path with the bytes of its file, or with the reason why it is not sent.
Image = tuple[str, bytes | str]

_NEEDED = (
    "top_k_classes and top_k_scores [n, k], or classes [n] and probabilities [n, K], "
    "of each of n images"
)


def read_batches(
    paths: Iterable[str],
    *,
    batch_size: int,
    max_bytes: int,
    wire_size: Callable[[int], int],
) -> Iterator[list[Image]]:
    """Yields the images in order, one batch in memory at a time.

    Each batch has an image to send unless there is none at all: files that cannot be
    sent ride along with one that can.

    Args:
        paths: Of files.
        batch_size: The most images that are sent in one request.
        max_bytes: The most bytes that they take there.
        wire_size: From the size of a file to what it takes in a request, in bytes.
    """
    batch: list[Image] = []
    num_images, num_bytes = 0, 0
    for path in paths:
        content = _read(path, max_bytes, wire_size)
        if isinstance(content, bytes):
            size = wire_size(len(content))
            if num_images == batch_size or num_images and num_bytes + size > max_bytes:
                yield batch
                batch, num_images, num_bytes = [], 0, 0
            num_images += 1
            num_bytes += size
        batch.append((path, content))
    if batch:
        yield batch


def make_rows(
    batch: Sequence[Image], outputs: Mapping[str, np.ndarray], top_k: int
) -> list[Prediction]:
    """Rows for a batch, in order, also for the images that were not sent.

    Args:
        batch: Of which n images were sent.
        outputs: The answer: `top_k_classes` and `top_k_scores` [n, k], or else
            `classes` [n] and `probabilities` [n, K]; `valid` [n], if the signature
            has it, is false for images that the server could not read; `error` [n],
            if it has it, is the reason.
        top_k: How many classes a row gives; fewer if the answer has fewer.

    Raises:
        errors.RunError: The answer has other outputs or shapes, or a probability that
            is not finite for an image that the server could read.
    """
    num_sent = sum(isinstance(content, bytes) for _, content in batch)
    classes, scores, valid = _read_answer(outputs, num_sent)
    reasons = np.asarray(outputs.get("error", [""] * num_sent)).tolist()
    if np.shape(reasons) != (num_sent,):
        raise _other_answer(outputs, num_sent)
    answers = zip(classes[:, :top_k], scores[:, :top_k], valid, reasons, strict=True)
    width = min(top_k, classes.shape[1])
    rows = []
    for path, content in batch:
        if isinstance(content, str):
            rows.append(make_error_row(path, content, width))
            continue
        names, probabilities, is_valid, reason = next(answers)
        if not is_valid:
            text = _to_text(reason) or "the server could not read it"
            rows.append(make_error_row(path, text, width))
        elif not np.all(np.isfinite(probabilities)):
            raise errors.RunError(
                f"The server gives probabilities that are not finite for {path}; "
                "allowed are finite numbers. The model that it serves is damaged: "
                "export it again."
            )
        else:
            names = tuple(_to_text(name) for name in names)
            rows.append(Prediction(path, names, tuple(probabilities.tolist())))
    return rows


def make_error_row(path: str, reason: str, num_classes: int) -> Prediction:
    """Returns the row of an image without a prediction."""
    return Prediction(path, ("",) * num_classes, (math.nan,) * num_classes, reason)


def _read(path, max_bytes, wire_size):
    try:
        with open(path, "rb") as file:
            # No more than tells that it is too much: sizes of devices are not known.
            content = file.read(max_bytes + 1)
    except OSError as error:
        return error.strerror or str(error)
    if image_format.suffix_of(content) is None:
        return f"{image_format.describe(content)}; only JPEG and PNG are supported"
    if wire_size(len(content)) > max_bytes:
        return f"too large for a request of {max_bytes} bytes (--max_message_bytes)"
    return content


def _read_answer(outputs, num_images):
    """Classes [n, k], probabilities float32 [n, k] and validity [n] of an answer."""
    try:
        if {"top_k_classes", "top_k_scores"} <= outputs.keys():
            classes = np.asarray(outputs["top_k_classes"], object)
            scores = np.asarray(outputs["top_k_scores"], np.float32)
        else:
            classes = np.asarray(outputs["classes"], object)[:, None]
            probabilities = np.asarray(outputs["probabilities"], np.float32)
            scores = probabilities.max(axis=1, keepdims=True)
        valid = np.asarray(outputs.get("valid", [True] * num_images)).tolist()
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise _other_answer(outputs, num_images) from error
    if not (
        classes.ndim == 2
        and classes.shape == scores.shape
        and classes.shape[1] > 0
        and len(classes) == len(valid) == num_images
        and all(isinstance(value, bool) for value in valid)
    ):
        raise _other_answer(outputs, num_images)
    return classes, scores, valid


def _other_answer(outputs, num_images):
    shapes = [f"{name or 'one without a name'} {list(array.shape)}"
              for name, array in sorted(outputs.items())]  # fmt: skip
    return errors.RunError(
        f"The server answered {num_images} images with the outputs "
        f"{', '.join(shapes) or '(none)'}; needed are {_NEEDED}. Use "
        "--signature=serving_default or strict of an export of this project."
    )


def _to_text(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
