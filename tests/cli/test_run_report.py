"""The page of a run: when it is written, whole, and made again."""

import json

import numpy as np
import pytest
from absl import flags

from adafilter_tf import evaluation
from adafilter_tf.cli import finished_run, flagfile, run_report
from adafilter_tf.data import splits
from adafilter_tf.runs import run_predictions
from tests import run_folders
from tests.cli.modes.test_explain import scatter

METRICS = {"method": "adafilter", "train_seconds": 1e4, "test_seconds": 1.0}


@pytest.mark.parametrize(
    ("train_seconds", "num_images", "gated", "scored", "extent"),
    [
        # A page takes 1 s, a gated layer 0.25 s, and the images 2 s a pass.
        (9.0, 100, 0, True, "nothing"),
        (11.0, 100, 0, True, "all"),
        (29.0, 100, 0, False, "nothing"),
        (31.0, 100, 0, False, "all"),
        # 1 + 4 * 0.25 + 5 * 2 = 12 s.
        (119.0, 100, 4, True, "own_gates"),
        (121.0, 100, 4, True, "all"),
        # Of 4,000 images 1,000 are sampled: 1 + 1 + 5 * 0.5 = 4.5 s.
        (46.0, 4000, 4, True, "all"),
        # Not scored: one load and pass more, 1 + 1 + 2 + 1 + 10 = 15 s.
        (149.0, 100, 4, False, "own_gates"),
        (151.0, 100, 4, False, "all"),
    ],
)
def test_page_takes_at_most_a_tenth_of_the_training(
    train_seconds, num_images, gated, scored, extent
):
    metrics = {"train_seconds": train_seconds, "test_seconds": 2.0}
    if gated:
        metrics["tuned_fraction_per_layer"] = dict.fromkeys(range(gated))
    found = run_report.choose_extent(metrics, num_images, scored=scored)
    assert found == extent


def test_run_that_does_not_say_its_times_has_no_page_by_itself():
    found = run_report.choose_extent({"train_seconds": 1e6}, 10, scored=True)
    assert found == "nothing"


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """A gated run, its flags, its test images and its outputs for them."""
    root = tmp_path_factory.mktemp("gated")
    folder = run_folders.make_run(root, change=scatter)
    values = read_flags(folder)
    model, spec = finished_run.load_model(values, folder)
    test = splits.read_splits(folder.splits).test
    outputs = evaluation.create_scorer(model, spec, batch_size=4)(test.paths)
    return folder, test, outputs


def read_flags(folder, *more) -> flags.FlagValues:
    values = flagfile.parse(["--mode=evaluate", f"--output_dir={folder.root}", *more])
    finished_run.open_run(values)
    return values


def read(folder) -> dict:
    return json.loads(folder.report.with_suffix(".json").read_text())


def test_page_says_what_the_test_gave_and_is_made_again_when_damaged(gated, caplog):
    folder, test, outputs = gated
    always = read_flags(folder, "--report=always")
    run_report.write_missing(always, folder, METRICS, test, outputs)
    report = read(folder)
    accuracy = np.mean(outputs.logits.argmax(axis=1) == test.labels)
    assert report["metrics"]["accuracy"] == pytest.approx(accuracy)
    assert report["gates"]["effect"]["shuffled"]["accuracy"] <= 1
    assert report["run"]["images_from"] == "the test images of images"
    html = folder.report.read_text()
    assert "These are test images" in html and str(folder.root.parent) not in html

    written = folder.report.stat().st_mtime_ns
    run_report.write_missing(always, folder, METRICS, test, None)
    assert folder.report.stat().st_mtime_ns == written
    folder.report.write_text(html[:100])
    # It was there once: it is made again, whatever a first one may cost.
    short = METRICS | {"train_seconds": 0.1}
    values = read_flags(folder)
    run_report.write_missing(values, folder, short, test, None)
    assert "report.html differs from its SHA-256; the page is made again" in caplog.text
    assert folder.find_fault("report.html") is None
    assert read(folder)["metrics"] == report["metrics"]
    assert read(folder)["gates"]["effect"] is None
    assert "is not measured here" in folder.report.read_text()


def test_page_that_is_not_wanted_or_too_slow_is_not_written(tmp_path, caplog):
    folder = run_folders.make_run(tmp_path, method="fine_tuning")
    test = splits.read_splits(folder.splits).test
    caplog.set_level("INFO", logger="absl")
    short = METRICS | {"method": "fine_tuning", "train_seconds": 3.0}
    for given in ("--report=never", "--report=auto"):
        values = read_flags(folder, given)
        run_report.write_missing(values, folder, short, test, None)
        assert not folder.report.exists()
    assert (
        "report.html is not written: the whole page would take more than a tenth of "
        f"the training's 3 s. `adafilter explain {folder.root} --explain_split=test`"
        in caplog.text
    )


def test_baseline_is_compared_on_the_same_images(gated, tmp_path):
    folder, test, _ = gated
    logits = np.eye(3, dtype=np.float32)[np.array(test.labels)]
    run_predictions.write_predictions(folder, logits, test)
    baseline = type(folder)(folder.root / "baseline_bss")
    baseline.root.mkdir()
    wrong = logits.copy()
    wrong[:3] = wrong[:3, [1, 2, 0]]
    run_predictions.write_predictions(baseline, wrong, test)
    baseline.metrics.write_text('{"method": "bss", "test_accuracy": 0.75}')
    facts = run_report.gather_facts(read_flags(folder), folder, "adafilter", "test")
    (found,) = facts.baselines
    assert (found["method"], found["accuracy"]) == ("bss", 0.75)
    assert found["difference"] == pytest.approx(3 / 12)
    assert found["low"] < 3 / 12 < found["high"]
