"""Runs from Python: docs/python.md as it stands, and what its functions promise."""

import pathlib
import re
import shutil

import keras
import pandas
import pytest

import adafilter_tf
from adafilter_tf import errors
from tests import command_line, run_folders

OPTIONS = {
    "backbone": "resnet14_rgb",
    "method": "fine_tuning",
    "tune_blocks": "none",
    "image_size": 16,
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "validation_fraction": 0.25,
    "test_fraction": 0.25,
    "export_formats": [],
    "report": "never",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the images of docs/python.md and what it leaves."""
    folder = tmp_path_factory.mktemp("python")
    run_folders.make_images(folder / "photos", number=8)
    run_folders.make_images(folder / "new", classes=("blue",), number=2)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return adafilter_tf.fit(folder / "photos", folder / "run", **OPTIONS)


def test_fit_returns_what_the_run_left(run, folder):
    assert run.class_names == ["blue", "green", "red"]
    assert run.metrics["test_examples"] == 6
    assert run.metrics["trainable_parameters"] == 3 * 128 + 3
    assert run.model.output_shape == (None, 3)
    accuracy = 100 * run.metrics["test_accuracy"]
    assert f"3 classes, test accuracy {accuracy:.2f} %" in repr(run)


def test_second_fit_trains_nothing(run, folder):
    written = (run.path / "metrics.json").stat().st_mtime_ns
    again = adafilter_tf.fit(folder / "photos", folder / "run", **OPTIONS)
    assert again.metrics == run.metrics
    assert (run.path / "metrics.json").stat().st_mtime_ns == written


def test_command_line_and_python_name_one_run(run, folder, capfd):
    images = f"--images={folder / 'new'}"
    code, out, _ = command_line.call(
        capfd, "--mode=predict", f"--output_dir={run.path}", images, "--top_k=2"
    )
    assert code == 0
    rows = run.predict(folder / "new", top_k=2)
    header, *lines = out.strip().splitlines()
    assert header.split(",") == list(rows.columns)
    for line, (_, row) in zip(lines, rows.iterrows(), strict=True):
        path, name, probability, *_ = line.split(",")
        assert (row["path"], row["class"]) == (path, name)
        assert row["probability"] == pytest.approx(float(probability), abs=1e-5)


def test_image_that_cannot_be_read_is_a_row_with_its_reason(run, folder):
    broken = folder / "broken.png"
    broken.write_bytes(b"\x89PNG")
    rows = run.predict([broken, folder / "new"])
    assert isinstance(rows, pandas.DataFrame)
    assert list(rows["error"].isna()) == [False, True, True]
    assert rows["probability"].isna()[0] and rows["class"][0] == ""


def test_evaluation_of_the_own_and_of_other_images(run, folder):
    assert run.evaluate()["test_accuracy"] == run.metrics["test_accuracy"]
    found = run.evaluate(folder / "new")
    assert (found["test_examples"], found["split"]) == (2, "all")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"epoch": 3}, ["--epoch", "Did you mean --epochs"]),
        ({"epochs": 0}, ["--epochs=0", "[1, 100000]"]),
        ({"gate_units": 3}, ["--gate_units", "belongs to adafilter"]),
        ({"evaluate_on": "digits"}, ["--evaluate_on", "no effect"]),
        ({"dry_run": True}, ["dry_run=True", "adafilter train --dry_run"]),
    ],
)
def test_wrong_option_is_named_before_anything_is_written(tmp_path, options, parts):
    with pytest.raises(errors.UsageError) as error:
        adafilter_tf.fit("digits", tmp_path / "run", method="fine_tuning", **options)
    for part in parts:
        assert part in str(error.value)
    assert not (tmp_path / "run").exists()


def test_runs_are_compared_as_a_frame(run, folder, tmp_path):
    copy = shutil.copytree(run.path, tmp_path / "copy")
    found = adafilter_tf.compare_runs([run.path, copy], tmp_path / "out")
    assert list(found["run"]) == ["run", "copy"]
    assert list(found["test_accuracy"]) == [run.metrics["test_accuracy"]] * 2
    assert list(found["common_images"]) == [6, 6]
    assert found["difference"].isna()[0] and found["difference"][1] == 0
    assert (tmp_path / "out/comparison.html").exists()
    with pytest.raises(errors.UsageError, match="belongs to a run"):
        adafilter_tf.compare_runs([run.path, copy], copy)


def test_option_of_another_use_is_named(run):
    with pytest.raises(errors.UsageError, match="--finder_steps has no effect"):
        run.explain(finder_steps=30)


def test_other_options_in_a_used_folder_are_refused(run, folder):
    with pytest.raises(errors.RunError, match="--seed=0.*--seed=1"):
        adafilter_tf.fit(folder / "photos", run.path, **OPTIONS, seed=1)


def test_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(errors.RunError, match=f"{tmp_path} has no flags.cfg"):
        adafilter_tf.load_run(tmp_path)


def test_precision_of_a_run_is_not_left_behind(folder, tmp_path):
    adafilter_tf.fit(
        folder / "photos", tmp_path / "run", **OPTIONS, precision="mixed_bfloat16"
    )
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_documented_lines_run(tmp_path, monkeypatch):
    """With a small network and few steps in place of those of the page."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "new_photos"):
        run_folders.make_images(tmp_path / name, number=8)
        (tmp_path / name / "red").rename(name + "/cat")
        (tmp_path / name / "cat/1.png").rename(name + "/cat/1.jpg")
    shutil.copytree("new_photos/blue", "new")
    fit = adafilter_tf.fit

    def fit_small(data, *, backbone, epochs):
        assert (backbone, epochs) == ("resnet50", 10)
        return fit(data, **{**OPTIONS, "export_formats": ["saved_model"]})

    monkeypatch.setattr(adafilter_tf, "fit", fit_small, raising=False)
    text = (pathlib.Path(__file__).parents[1] / "docs/python.md").read_text("utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        if "photos_2" in code:
            shutil.copytree("runs/photos", "runs/photos_2")
        exec(code, {"adafilter_tf": adafilter_tf})
    versions = (tmp_path / "runs/photos/export").iterdir()
    assert sorted(path.name for path in versions) == ["1", "2"]
    assert (tmp_path / "runs/photos/explain_validation.html").exists()
