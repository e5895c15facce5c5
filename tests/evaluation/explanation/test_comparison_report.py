import csv

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.evaluation.explanation import comparison, comparison_report

METRICS = {
    "test_accuracy": 0.75,
    "test_examples": 4,
    "test_mean_per_class_accuracy": 0.7,
    "test_loss": 0.5,
    "train_seconds": 61.0,
    "parameters": 1234567,
}


@pytest.fixture
def images(tmp_path):
    """Four images of noise; the third has a name that a spreadsheet would run."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    paths = [str(tmp_path / "photos" / f"{name}.png") for name in (1, 2, "=3", 4)]
    for path in paths:
        pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
        tf.io.write_file(path, tf.io.encode_png(pixels))
    return paths


def make_side(images, name, predicted, **changes):
    flags = {"method": "adafilter", "seed": 0, "horizontal_flip": True}
    answers = comparison.RunAnswers(
        name,
        ("cat", "<dog>"),
        images,
        ["cat", "cat", "<dog>", "<dog>"],
        predicted,
        [0.5, 0.75, 1.0, float("nan")],
    )
    metrics = {**METRICS, **changes.pop("metrics", {})}
    defaults = {"lora_rank": 8, "gate_units": 64}
    return comparison_report.Side(
        f"runs/{name}", {**flags, **changes}, metrics, answers, defaults
    )


@pytest.fixture
def sides(images):
    return [
        make_side(images, "first", ["cat", "cat", "<dog>", "cat"]),
        make_side(
            images,
            "second",
            ["cat", "<dog>", "<dog>", "<dog>"],
            horizontal_flip=False,
            lora_rank=4,
            gate_units=64,
            metrics={"tuned_fraction": 0.5, "test_loss": 0.25},
        ),
    ]


def match(sides):
    return comparison.match_images([side.answers for side in sides])


def test_text_has_flags_metrics_and_differences(sides):
    text = comparison_report.format_text(sides, match(sides))
    lines = [line.split() for line in text.splitlines()]
    assert lines[:2] == [["A", "runs/first"], ["B", "runs/second"]]
    assert "  horizontal_flip: A on; B off" in text
    assert "  lora_rank: A –; B 4" in text
    assert "seed" not in text and "gate_units" not in text
    # Wilson's interval for 3 of 4.
    assert "95 % interval".split() + "30.1 to 95.4 30.1 to 95.4".split() in lines
    assert "Loss, nats 0.500 0.250".split() in lines
    assert "Training, seconds 61 61".split() in lines
    assert "Tuned fraction – 50.0 %".split() in lines
    assert "All runs have the same 4 test images." in text
    assert "Only this run right 1".split() in lines
    assert "Only A right 1".split() in lines
    assert "B minus A: 0.0 points of accuracy" in text
    assert "not significant on these images." in " ".join(text.split())


@pytest.mark.parametrize("count", [2, 9])
def test_text_fits_into_80_columns(images, count):
    answers = ["cat", "cat", "<dog>", "cat"]
    sides = [
        make_side(images, f"run_{index}", answers, dataset=f"folder:/long/{index}" * 9)
        for index in range(count)
    ]
    text = comparison_report.format_text(sides, match(sides))
    long = [line for line in text.splitlines() if len(line) > 80]
    assert all("/long/" in line for line in long)  # a path is not broken
    assert text.count("Test accuracy") == -(-count // 4)


def test_no_image_in_common_is_told_and_only_metrics_are_shown(images, sides):
    others = [f"{path}.other" for path in images]
    sides[1] = make_side(others, "second", ["cat"] * 4)
    text = comparison_report.format_text(sides, match(sides))
    assert "No paired differences: no test image is in all runs" in text
    assert "Test accuracy" in text and "Only A right" not in text


def test_images_in_common_are_counted(images, sides):
    sides[1] = make_side([*images[:3], "elsewhere.png"], "second", ["cat"] * 4)
    text = comparison_report.format_text(sides, match(sides))
    assert "The test sets differ (A 4, B 4); what follows is on the 3 images" in text


def test_table_has_every_image_and_answer(sides, images, tmp_path):
    _, path = comparison_report.write_files(sides, match(sides), tmp_path / "new/out")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == images
    assert [row["label"] for row in rows] == ["cat", "cat", "<dog>", "<dog>"]
    assert [row["class_second"] for row in rows] == ["cat", *["<dog>"] * 3]
    assert [row["right_first"] for row in rows] == ["1", "1", "1", "0"]
    probabilities = [row["probability_first"] for row in rows]
    assert probabilities == ["0.5", "0.75", "1", ""]


def test_page_shows_the_images_on_which_runs_disagree(sides, tmp_path):
    html, _ = comparison_report.write_files(sides, match(sides), tmp_path / "out")
    text = html.read_text()
    assert "Right: A: 1" in text and "Right: B: 1" in text
    assert text.count('src="data:') == 2
    assert "<dog>" not in text and "&lt;dog&gt;" in text
    assert str(tmp_path) not in text
    assert "://" not in text and "<script" not in text
