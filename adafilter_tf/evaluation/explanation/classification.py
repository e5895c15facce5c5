"""Classification metrics of a model, class by class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn import metrics

from adafilter_tf import errors
from adafilter_tf.evaluation import scoring


def describe_classification(
    logits: np.ndarray,
    labels: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    num_errors: int = 27,
) -> dict:
    """Returns the facts of a classification, ready for JSON.

    Args:
        logits: [n, K].
        labels: n class indices.
        class_names: K names.
        num_errors: How many of the most confident errors are listed.

    Returns:
        `metrics`, see `evaluation.compute_metrics`; `classes` with `name`, `images`,
        `predicted` (how often the class was answered), `precision`, `recall` and `f1`
        (None for 0/0); `confusion`, counts [K][K] by label
        and prediction; `confusions`, the pairs of classes that are mistaken, the most
        frequent first; `images`, one entry per image with `label`, `predicted`,
        `probability` of the prediction and `label_probability`; `errors`, positions in
        `images`, the most confident first.

    Raises:
        RunError: A logit is not finite.
    """
    if not np.all(np.isfinite(logits)):
        raise errors.RunError(
            "The model has non-finite logits (NaN or Inf). "
            "Its weights are damaged: train again or use a checkpoint."
        )
    labels = np.asarray(labels)
    probabilities = special.softmax(np.asarray(logits, np.float64), axis=1)
    predicted = probabilities.argmax(axis=1)
    confidences = probabilities.max(axis=1)
    confusion = scoring.count_confusions(labels, predicted, len(class_names))
    wrong = np.flatnonzero(predicted != labels)
    by_confidence = wrong[np.argsort(-confidences[wrong], kind="stable")]
    return {
        "metrics": scoring.compute_metrics(logits, labels),
        "classes": _describe_classes(labels, predicted, class_names),
        "confusion": confusion.tolist(),
        "confusions": _list_confusions(confusion, class_names),
        "images": [
            {
                "label": class_names[label],
                "predicted": class_names[answer],
                "probability": float(confidence),
                "label_probability": float(row[label]),
            }
            for label, answer, confidence, row in zip(
                labels, predicted, confidences, probabilities, strict=True
            )
        ],
        "errors": by_confidence[:num_errors].tolist(),
    }


def _describe_classes(labels, predicted, class_names) -> list[dict]:
    every = np.arange(len(class_names))
    scores = metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=np.nan
    )
    answers = np.bincount(predicted, minlength=len(class_names))
    return [
        {
            "name": name,
            "images": int(support),
            "predicted": int(answered),
            "precision": _or_none(precision),
            "recall": _or_none(recall),
            "f1": _or_none(f1),
        }
        for name, answered, precision, recall, f1, support in zip(
            class_names, answers, *scores, strict=True
        )
    ]


def _list_confusions(confusion: np.ndarray, class_names) -> list[dict]:
    mistaken = confusion * (1 - np.eye(len(confusion), dtype=int))
    order = np.argsort(-mistaken, axis=None, kind="stable")
    pairs = [divmod(int(position), len(confusion)) for position in order]
    return [
        {
            "label": class_names[label],
            "predicted": class_names[answer],
            "images": int(mistaken[label, answer]),
        }
        for label, answer in pairs
        if mistaken[label, answer]
    ]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
