import csv

import numpy as np
import pytest

from adafilter_tf.data.examples import Examples
from adafilter_tf.runs import run_dir, run_predictions

TEST = Examples(("a.png", "=b,\r.png", "c.png"), (0, 1, 1), ("cat", "=dog"))
# Probabilities 0.75, 0.9 and 0.5.
LOGITS = np.log(np.array([[3, 1], [1, 9], [1, 1]], np.float32))


@pytest.fixture
def folder(tmp_path):
    folder = run_dir.RunDir(tmp_path)
    run_predictions.write_predictions(folder, LOGITS, TEST)
    return folder


def test_answers_are_read_as_they_were_given(folder):
    classes, probabilities = run_predictions.read_predictions(folder, TEST)
    assert classes == ["cat", "=dog", "cat"]
    assert probabilities == pytest.approx([0.75, 0.9, 0.5])
    with folder.test_predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "label", "class", "probability", "class_2",
                             "probability_2", "error"]  # fmt: skip
    assert [row["label"] for row in rows] == ["cat", "'=dog", "'=dog"]


def test_logits_that_are_not_finite_are_no_answer(tmp_path):
    folder = run_dir.RunDir(tmp_path)
    logits = LOGITS.copy()
    logits[1, 0] = np.nan
    run_predictions.write_predictions(folder, logits, TEST)
    classes, probabilities = run_predictions.read_predictions(folder, TEST)
    assert classes == ["cat", "", "cat"] and np.isnan(probabilities[1])
    assert "non-finite" in folder.test_predictions.read_text()


def test_run_without_the_file_has_no_answers(tmp_path):
    folder = run_dir.RunDir(tmp_path)
    assert run_predictions.read_predictions(folder, TEST) is None


@pytest.mark.parametrize("damage", ["changed", "other", "cut"])
def test_damaged_file_is_not_used(folder, damage, caplog):
    path, test = folder.test_predictions, TEST
    if damage == "changed":
        path.write_text(path.read_text().replace("0.75", "0.85"))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:40])
        folder.record(path.name)
    else:
        test = TEST.take([0, 1])
    assert run_predictions.read_predictions(folder, test) is None
    assert "test_predictions.csv" in caplog.text and "not used" in caplog.text
