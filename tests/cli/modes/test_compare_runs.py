"""Finished runs side by side, as a user meets it."""

import csv
import functools
import json
import shutil

import numpy as np
import pytest

from adafilter_tf.data import splits
from adafilter_tf.data.integrity import image_record
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir, run_predictions
from tests import command_line, run_folders


@pytest.fixture
def compare(capfd):
    return functools.partial(command_line.call, capfd, "--mode=compare")


def finish(folder, predicted, **metrics):
    """Gives a run the metrics and the record of its images, and answers."""
    parts = splits.read_splits(folder.splits)
    image_record.write_record(parts, folder.images)
    content = {
        "method": "fine_tuning",
        "test_accuracy": 0.5,
        "test_examples": len(parts.test),
        "train_seconds": 3.0,
        **metrics,
    }
    atomic.write_json(folder.metrics, content)
    if predicted is not None:
        logits = 5 * np.eye(3, dtype=np.float32)[predicted]
        run_predictions.write_predictions(folder, logits, parts.test)


RIGHT = [0] * 4 + [1] * 4 + [2] * 4


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run that gets its last two images wrong."""
    root = tmp_path_factory.mktemp("first")
    folder = run_folders.make_run(root, method="fine_tuning")
    finish(folder, [*RIGHT[:10], 0, 0])
    return folder


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A run on copies of the images that gets the first one wrong."""
    root = tmp_path_factory.mktemp("second")
    folder = run_folders.make_run(root, "--seed=1", method="fine_tuning")
    finish(folder, [1, *RIGHT[1:]])
    return folder


def test_two_runs_are_compared_image_by_image(first, second, compare, tmp_path):
    output = tmp_path / "out"
    code, out, err = compare(
        f"--runs={first.root},{second.root}", f"--output_dir={output}"
    )
    assert code == 0, err
    words = " ".join(out.split())
    assert "All runs have the same 12 test images." in words
    assert "Only this run right 2" in words and "Only A right 1" in words
    assert "seed: A 0; B 1" in words
    rows = list(csv.DictReader((output / "comparison.csv").open()))
    assert len(rows) == 12
    names = [str(each.root) for each in (first, second)]  # both are called "run"
    assert [row[f"right_{names[0]}"] for row in rows].count("0") == 2
    assert rows[0][f"class_{names[1]}"] == list(run_folders.COLOURS)[1]
    assert "Right: B: 2" in (output / "comparison.html").read_text()


def test_run_without_its_answers_is_scored(first, compare, tmp_path, capfd):
    folder = run_dir.RunDir(tmp_path / "old")
    shutil.copytree(first.root, folder.root)
    folder.test_predictions.unlink()
    code, out, err = compare(
        f"--runs={folder.root},{first.root}", f"--output_dir={tmp_path / 'out'}"
    )
    assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "out/comparison.csv").open()))
    answers = [row["class_old"] for row in rows]
    code, out, _ = command_line.call(
        capfd,
        "--mode=evaluate",
        f"--output_dir={first.root}",
    )
    labels = [row["label"] for row in rows]
    right = sum(a == b for a, b in zip(answers, labels, strict=True))
    assert right / 12 == pytest.approx(json.loads(out)["test_accuracy"])
    assert not folder.test_predictions.exists()  # a comparison changes no run


def test_baseline_of_a_run_is_a_run(first, compare, tmp_path):
    folder = run_dir.RunDir(tmp_path / "run")
    shutil.copytree(first.root, folder.root)
    baseline = run_dir.RunDir(folder.root / "baseline_bss")
    baseline.root.mkdir()
    for name in ("model.keras", "metrics.json", "test_predictions.csv"):
        shutil.copy(folder.root / name, baseline.root)
    metrics = json.loads(baseline.metrics.read_text())
    atomic.write_json(baseline.metrics, {**metrics, "method": "bss"})
    code, out, err = compare(
        f"--runs={folder.root},{baseline.root}", f"--output_dir={tmp_path / 'out'}"
    )
    assert code == 0, err
    assert "  method: A fine_tuning; B bss" in out
    assert "B minus A: 0.0 points of accuracy" in out


def test_what_is_no_finished_run_is_named(first, compare, tmp_path):
    (tmp_path / "empty").mkdir()
    unfinished = tmp_path / "unfinished"
    shutil.copytree(first.root, unfinished)
    (unfinished / "metrics.json").unlink()
    for other, code, parts in (
        (tmp_path / "empty", 1, ["empty is not a run: it has no flags.cfg"]),
        (tmp_path / "no", 1, ["no is not a run"]),
        (unfinished, 1, ["is not a finished run: it has no metrics.json"]),
        (f"{first.root}/../run", 2, ["which are one run"]),
    ):
        result = compare(f"--runs={first.root},{other}")
        command_line.assert_error(result, code, *parts)
    result = compare(f"--runs={first.root}")
    command_line.assert_error(result, 2, "Received 1 runs", "RUN RUN...")


def test_other_classes_are_named(first, compare, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(first.root, other)
    for name in ("split.csv", "labels.txt"):
        path = other / name
        path.write_text(path.read_text().replace("red", "pink"))
    result = compare(f"--runs={first.root},{other}")
    command_line.assert_error(
        result, 1, "other has no class 'red', which run has: only"
    )


def test_comparison_is_not_written_into_a_run(first, second, compare):
    runs = f"--runs={first.root},{second.root}"
    for folder in (first.root, second.root / "comparison"):
        result = compare(runs, f"--output_dir={folder}")
        command_line.assert_error(result, 2, "belongs to a run")


def test_flags_of_a_training_comparison_are_refused(first, second, compare):
    result = compare(f"--runs={first.root},{second.root}", "--seeds=5")
    command_line.assert_error(result, 2, "--seeds with --runs")
