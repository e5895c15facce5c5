"""What a run's model answers for each of its test images."""

import csv
import math
from collections.abc import Iterator

import numpy as np
from absl import logging

from adafilter_tf import errors, prediction
from adafilter_tf.data.examples import Examples
from adafilter_tf.prediction import writers
from adafilter_tf.runs import run_dir

_TOP_K = 5


def write_predictions(
    folder: run_dir.RunDir, logits: np.ndarray, examples: Examples
) -> None:
    """Writes `test_predictions.csv` and records its checksum.

    Args:
        folder: Of the run.
        logits: [n, K].
        examples: The n test images.
    """
    path = folder.test_predictions
    writers.save_csv(list_predictions(logits, examples), str(path))
    folder.record(path.name)


def list_predictions(
    logits: np.ndarray, examples: Examples
) -> Iterator[prediction.Prediction]:
    """Yields the answer for each of the images, with its label.

    Args:
        logits: [n, K].
        examples: The n images.
    """
    names = examples.class_names
    top_k = min(_TOP_K, len(names))
    for path, label, scores in zip(
        examples.paths, examples.labels, logits, strict=True
    ):
        classes, probabilities, error = ("",) * top_k, (math.nan,) * top_k, None
        if np.all(np.isfinite(scores)):
            found = prediction.rank_classes(path, scores, names, top_k)
            classes, probabilities = found.classes, found.probabilities
        else:
            error = "the model has non-finite logits for it"
        yield prediction.Prediction(path, classes, probabilities, error, names[label])


def read_predictions(
    folder: run_dir.RunDir, examples: Examples
) -> tuple[list[str], list[float]] | None:
    """Returns the predicted class of each test image and its probability.

    Args:
        folder: Of the finished run.
        examples: Its test images.

    Returns:
        None for a run of an earlier version, which has no such file, and for a file
        that is damaged or of other images, with a warning.
    """
    path = folder.test_predictions
    if not path.exists():
        return None
    fault = folder.find_fault(path.name)
    if not fault:
        try:
            with path.open(
                encoding="utf-8", errors="surrogateescape", newline=""
            ) as file:
                rows = writers.read_csv(file)
            if [row["path"] for row in rows] == list(examples.paths):
                classes = [row["class"] for row in rows]
                return classes, [float(row["probability"] or "nan") for row in rows]
            fault = f"{path.name} is of other images than {folder.splits.name}"
        except (OSError, csv.Error, KeyError, ValueError, AttributeError) as error:
            fault = f"{path.name} cannot be read ({errors.explain(error)})"
    logging.warning("%s: %s; it is not used.", folder.root, fault)
    return None
