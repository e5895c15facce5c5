import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.evaluation.explanation import classification

NAMES = ("a", "b", "c", "d")
# Answers b, b, a, b, c; how sure they are is in the logits.
LOGITS = np.log([
    [0.20, 0.60, 0.10, 0.10],
    [0.05, 0.80, 0.10, 0.05],
    [0.70, 0.10, 0.10, 0.10],
    [0.10, 0.50, 0.20, 0.20],
    [0.01, 0.01, 0.90, 0.08],
])  # fmt: skip
LABELS = (0, 1, 0, 1, 0)


def describe(**options):
    return classification.describe_classification(LOGITS, LABELS, NAMES, **options)


def test_precision_and_recall_by_hand():
    rows = {row["name"]: row for row in describe()["classes"]}
    assert rows["a"] == {
        "name": "a",
        "images": 3,
        "predicted": 1,
        "precision": 1.0,
        "recall": pytest.approx(1 / 3),
        "f1": pytest.approx(0.5),
    }
    assert (rows["b"]["precision"], rows["b"]["recall"]) == (pytest.approx(2 / 3), 1.0)
    # Class c is answered and never there, class d is neither.
    assert (rows["c"]["precision"], rows["c"]["recall"]) == (0.0, None)
    assert [rows["d"][name] for name in ("precision", "recall")] == [None, None]


def test_confusion_and_errors_by_hand():
    found = describe()
    assert found["confusion"] == [[1, 1, 1, 0], [0, 2, 0, 0], [0] * 4, [0] * 4]
    assert found["confusions"] == [
        {"label": "a", "predicted": "b", "images": 1},
        {"label": "a", "predicted": "c", "images": 1},
    ]
    assert found["errors"] == [4, 0]
    image = found["images"][4]
    assert (image["label"], image["predicted"]) == ("a", "c")
    assert image["probability"] == pytest.approx(0.9)
    assert image["label_probability"] == pytest.approx(0.01)
    assert describe(num_errors=1)["errors"] == [4]
    assert found["metrics"]["accuracy"] == 0.6


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(errors.RunError, match="non-finite logits"):
        classification.describe_classification([[np.nan, 0.0]], [0], ("a", "b"))
