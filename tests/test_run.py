"""The command line as a user meets it: what comes out, and what bad input gets."""

import csv
import functools
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.data.integrity import image_record
from tests.command_line import assert_error, call


@pytest.fixture
def command(capfd):
    """Runs the command line in this process: gives exit code, output and errors."""
    return functools.partial(call, capfd)


def make_images(folder, classes=("cat", "dog"), number=6, size=(20, 24), seed=0):
    rng = np.random.default_rng(seed)
    for label in classes:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(number):
            pixels = rng.integers(0, 255, (*size, 3), np.uint8)
            encoded = tf.io.encode_jpeg(pixels).numpy()
            (folder / label / f"{index}.jpg").write_bytes(encoded)
    return folder


SMALL = (
    "--backbone=resnet14",
    "--image_size=16",
    "--epochs=2",
    "--steps_per_epoch=2",
    "--batch_size=4",
    "--validation_fraction=0.34",
    "--test_fraction=0.34",
    "--report=never",
)
GATED = (*SMALL, "--gate_units=4", "--gate_from=stage3")
# Where neither gates nor exports are asked about: they take most of a small run.
HEAD_ALONE = (
    *SMALL,
    "--epochs=1",
    "--method=fine_tuning",
    "--tune_blocks=none",
    "--export_formats=",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on a folder of images, in a process of its own."""
    root = tmp_path_factory.mktemp("finished")
    images = make_images(root / "images")
    arguments = [*GATED, f"--dataset=folder:{images}", f"--output_dir={root / 'run'}"]
    process = subprocess.run(
        [sys.executable, "-m", "adafilter_tf.run", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return root, arguments, process


def test_run_leaves_everything_that_it_promises(finished):
    root, _, process = finished
    folder = root / "run"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["method"] == "adafilter"
    assert metrics["backbone"] == "resnet14"
    assert metrics["dataset"] == f"folder:{root / 'images'}"
    assert (metrics["seed"], metrics["num_classes"]) == (0, 2)
    assert (metrics["num_train_examples"], metrics["test_examples"]) == (4, 4)
    assert metrics["test_accuracy"] in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert {
        "test_mean_per_class_accuracy",
        "test_loss",
        "train_seconds",
        "steps_per_second",
        "trainable_parameters",
    } <= set(metrics)
    layers = metrics["tuned_fraction_per_layer"]
    assert list(layers)[0] == "stage3_block1_conv1"
    assert 0 <= metrics["tuned_fraction"] <= 1
    assert (folder / "labels.txt").read_text() == "cat\ndog\n"
    names = {path.name for path in folder.iterdir()}
    assert {"flags.cfg", "split.csv", "model.keras", "checkpoints", "tensorboard",
            "export", "results.csv", "results.png", "confusion_matrix.png",
            "MODEL_CARD.md", "test_predictions.csv"} <= names  # fmt: skip
    assert "report.html" not in names
    # Plain lines, as nobody watches: no bar that redraws itself.
    assert "\x08" not in process.stdout
    assert f"SavedModel   {folder / 'export' / '1'}" in process.stdout
    assert f"tensorboard --logdir={folder.parent}\n" in process.stdout


def test_predictions_of_the_test_images_are_those_of_the_metrics(finished):
    root, _, _ = finished
    rows = list(csv.DictReader((root / "run/test_predictions.csv").open()))
    metrics = json.loads((root / "run/metrics.json").read_text())
    right = np.mean([row["label"] == row["class"] for row in rows])
    assert (len(rows), right) == (metrics["test_examples"], metrics["test_accuracy"])
    split = list(csv.DictReader((root / "run/split.csv").open()))
    labels = {row["path"]: row["label"] for row in split if row["split"] == "test"}
    assert {row["path"]: row["label"] for row in rows} == labels


def test_pictures_and_card_say_what_the_metrics_say(finished):
    root, _, _ = finished
    folder = root / "run"
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = list(csv.DictReader((folder / "results.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert float(rows[-1]["train_accuracy"]) == metrics["last_epoch_accuracy"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert "# resnet14, fine-tuned by adafilter" in card
    for name, share in metrics["test_accuracy_per_class"].items():
        assert f"| {name} | {share:.1%} |" in card
    has_errors = metrics["test_accuracy"] < 1
    assert (folder / "errors.png").exists() == has_errors
    for path in folder.glob("*.png"):
        pixels = tf.io.decode_png(path.read_bytes()).numpy()
        assert min(pixels.shape[:2]) > 100 and pixels.std() > 1, path


def test_written_split_holds_every_image_once(finished):
    root, _, _ = finished
    rows = list(csv.DictReader((root / "run/split.csv").open()))
    images = sorted(str(path) for path in (root / "images").glob("*/*.jpg"))
    assert sorted(row["path"] for row in rows) == images
    assert all(pathlib.Path(row["path"]).parent.name == row["label"] for row in rows)


def test_finished_run_is_not_trained_again(finished, command):
    root, arguments, _ = finished
    before = (root / "run/metrics.json").stat().st_mtime_ns
    code, out, _ = command(*arguments)
    assert code == 0
    assert "test accuracy" in out
    assert (root / "run/metrics.json").stat().st_mtime_ns == before


def test_evaluate_repeats_the_metrics_of_training(finished, command):
    root, _, _ = finished
    code, out, _ = command("--mode=evaluate", f"--output_dir={root / 'run'}")
    assert code == 0
    metrics = json.loads((root / "run/metrics.json").read_text())
    for name, value in json.loads(out).items():
        if name == "tuned_fraction_per_layer":
            assert value == metrics[name]
        else:
            assert value == pytest.approx(metrics[name], abs=1e-5), name


def test_predict_agrees_with_the_saved_model(finished, command):
    root, _, _ = finished
    folder, images = root / "run", root / "images"
    csv_file = root / "predictions.csv"
    code, _, _ = command(
        "--mode=predict",
        f"--output_dir={folder}",
        f"--images={images}",
        f"--predictions={csv_file}",
    )
    assert code == 0
    rows = list(csv.DictReader(csv_file.open()))
    assert len(rows) == 12
    loaded = tf.saved_model.load(str(folder / "export/1"))
    encoded = [pathlib.Path(row["path"]).read_bytes() for row in rows]
    served = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))
    assert [row["class"].encode() for row in rows] == served["classes"].numpy().tolist()
    probabilities = served["probabilities"].numpy().max(axis=1)
    differences = np.abs(probabilities - [float(row["probability"]) for row in rows])
    assert np.median(differences) < 1e-5
    # The export is folded: a gate at its threshold may turn.
    assert differences.max() < 0.05


@pytest.mark.slow
def test_export_writes_the_next_version(finished, command):
    root, _, _ = finished
    code, out, _ = command("--mode=export", f"--output_dir={root / 'run'}")
    assert code == 0
    assert out.strip().splitlines()[-1] == str(root / "run/export/2")
    text = (root / "run/export/2/assets.extra/model_card.md").read_text()
    assert "# resnet14, fine-tuned by adafilter" in text
    assert "| train | 4 |" in text and "--gate_from=stage3" in text
    assert "folded for inference" in text
    assert out.startswith("folded (")
    report = json.loads((root / "run/export_reports.json").read_text())
    assert report["saved_model"]["fold"]["validation_images"] == 4
    shutil.rmtree(root / "run/export/2")


def test_wrong_label_map_is_not_exported(finished, command, tmp_path):
    root, _, _ = finished
    folder = shutil.copytree(root / "run", tmp_path / "run")
    (folder / "labels.txt").write_text("cat\n")
    result = command("--mode=export", f"--output_dir={folder}")
    assert_error(result, 1, "Line 2 of", "labels.txt", "'dog' in split.csv")
    assert [path.name for path in (folder / "export").iterdir()] == ["1"]


def test_model_that_cannot_be_loaded_is_named(finished, command, tmp_path):
    root, _, _ = finished
    folder = shutil.copytree(root / "run", tmp_path / "run")
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[: len(content) // 2])
    for mode in ("export", "evaluate"):
        result = command(f"--mode={mode}", f"--output_dir={folder}")
        assert_error(
            result,
            1,
            "model.keras cannot be loaded",
            "another version or program wrote",
        )
    assert [path.name for path in (folder / "export").iterdir()] == ["1"]


@pytest.mark.slow
def test_formats_of_other_runtimes_lie_beside_the_model(finished, command):
    pytest.importorskip("ai_edge_litert")
    root, _, _ = finished
    code, out, _ = command(
        "--mode=export", f"--output_dir={root / 'run'}", "--export_formats=litert"
    )
    assert code == 0
    path = root / "run/model.tflite"
    line = out.strip().splitlines()[-1]
    assert line.startswith(f"{path} (") and "of 4 validation images" in line
    assert path.read_bytes()[4:8] == b"TFL3"
    report = json.loads((root / "run/export_reports.json").read_text())["litert"]
    assert report["accuracy"] == report["keras_accuracy"]
    assert [path.name for path in (root / "run/export").iterdir()] == ["1"]
    path.unlink()


@pytest.mark.slow
def test_saved_flagfile_repeats_the_run(finished, command, tmp_path):
    root, _, _ = finished
    code, _, _ = command(
        f"--flagfile={root / 'run/flags.cfg'}", f"--output_dir={tmp_path / 'again'}"
    )
    assert code == 0
    first, second = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (root / "run", tmp_path / "again")
    )
    assert second["test_loss"] == pytest.approx(first["test_loss"], abs=1e-4)


def test_interrupted_run_ends_as_the_uninterrupted_one(finished, command, tmp_path):
    """The checkpoint after epoch 1 of 2 leads to the same weights, bit by bit."""
    root, arguments, _ = finished
    folder = tmp_path / "resumed"
    shutil.copytree(root / "run", folder)
    for name in ("metrics.json", "model.keras"):
        (folder / name).unlink()
    last = folder / "checkpoints/step_000000004"
    with np.load(last / "arrays.npz") as archive:
        expected = dict(archive)
    shutil.rmtree(last)
    assert command(*arguments[:-1], f"--output_dir={folder}")[0] == 0
    with np.load(last / "arrays.npz") as archive:
        for name, value in expected.items():
            assert np.array_equal(archive[name], value), name
    assert (folder / "results.csv").read_text() == (
        root / "run/results.csv"
    ).read_text()


@pytest.mark.slow
def test_baseline_without_frozen_layers_trains_without_a_cache(command, tmp_path):
    images = make_images(tmp_path / "images")
    code, out, err = command(
        *GATED,
        "--cache_frozen_features",
        "--export_formats=",
        "--baseline=fine_tuning",
        f"--dataset=folder:{images}",
        f"--output_dir={tmp_path / 'run'}",
    )
    assert code == 0, err
    assert "fine_tuning" in out
    assert (tmp_path / "run/baseline_fine_tuning/metrics.json").exists()


def test_baseline_is_trained_on_the_same_split(command, tmp_path):
    images = make_images(tmp_path / "images")
    code, out, _ = command(
        *GATED,
        "--epochs=1",
        "--baseline=fine_tuning",
        "--head_learning_rate=0",
        "--export_formats=",
        "--report=always",
        f"--dataset=folder:{images}",
        f"--output_dir={tmp_path / 'run'}",
    )
    assert code == 0
    assert [
        line.split()[0] for line in out.splitlines() if "test accuracy" in line
    ] == [
        "adafilter",
        "fine_tuning",
    ]
    baseline = json.loads(
        (tmp_path / "run/baseline_fine_tuning/metrics.json").read_text()
    )
    assert "tuned_fraction" not in baseline
    heads = [
        keras.saving.load_model(path).get_layer("head").kernel.numpy()
        for path in sorted((tmp_path / "run").rglob("model.keras"))
    ]
    for folder in (tmp_path / "run", tmp_path / "run/baseline_fine_tuning"):
        page = json.loads((folder / "report.json").read_text())
        metrics = json.loads((folder / "metrics.json").read_text())
        assert page["metrics"]["accuracy"] == metrics["test_accuracy"]
        assert (folder / "report.html").exists()
    assert f"Page         {tmp_path / 'run/report.html'}" in out
    page = (tmp_path / "run/report.html").read_text()
    assert "adafilter minus fine_tuning:" in page
    # One seed, one start, whatever else the methods drew before it.
    assert len(heads) == 2
    assert np.array_equal(*heads)


@pytest.mark.slow
def test_flowers_config_trains_on_mock_data(command, tmp_path, mock_flowers):
    """The real flagfile, but for its size: mock data, random weights, a few steps."""
    code, out, _ = command(
        "--flagfile=configs/flowers.cfg",
        f"--output_dir={tmp_path / 'run'}",
        f"--data_dir={tmp_path / 'data'}",
        "--weights=random",
        "--image_size=64",
        "--epochs=1",
        "--steps_per_epoch=2",
        "--batch_size=4",
        "--gate_from=conv5",
    )
    assert code == 0
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert (metrics["backbone"], metrics["num_classes"]) == ("resnet50", 102)
    assert metrics["test_examples"] == 6
    assert (tmp_path / "run/export/1/saved_model.pb").exists()


def train(command, tmp_path, *arguments, images=None, options=HEAD_ALONE):
    images = images or make_images(tmp_path / "images")
    return command(
        *options,
        f"--dataset=folder:{images}",
        f"--output_dir={tmp_path / 'run'}",
        *arguments,
    )


def test_unknown_flag_in_a_process_of_its_own_is_one_line():
    process = subprocess.run(
        [sys.executable, "-m", "adafilter_tf.run", "--epoch=3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr == (
        "Error: Received --epoch, an unknown flag. Did you mean --epochs?\n"
    )
    assert process.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--method=magic"], ["--method=magic", "adafilter|bn_only", "|wise_ft"]),
        (["--export_formats=tflite"], ["tflite", "saved_model, onnx, litert"]),
        (["--mode=fly"], ["--mode=fly", "evaluate|predict|explain|export"]),
        (["--backbone=resnet51"], ["--backbone=resnet51", "resnet50"]),
        (["--epochs=0"], ["--epochs=0", "in the range [1, 100000]"]),
        (["epochs=3"], ["'epochs=3'", "--name=value"]),
        (["--flagfile=none.cfg"], ["none.cfg"]),
        (["--gate_units=4"], ["--gate_", "adafilter"]),
        (["--output_dir="], ["--output_dir is missing"]),
        (["--image_size=8"], ["image_size=8", "at least 16"]),
        (["--dataset=nothing"], ["dataset=nothing", "folder:PATH"]),
        (["--dataset=folder:nowhere"], ["nowhere"]),
        (["--devices=GPU:7,CPU:0"], ["no GPU:7", "CPU:0"]),
        (["--learning_rate=-1"], ["learning_rate"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_wrong_usage_ends_with_code_2_and_one_line(command, tmp_path, arguments, parts):
    images = tmp_path / "images"
    make_images(images)
    result = train(command, tmp_path, *arguments, images=images)
    assert_error(result, 2, *parts)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("--epochs=1\nepochs=3\n--batch_size=4\n", "'epochs=3'"),
        ("--epochs=1\n\n  # a comment is at the start of its line\n", "'# a comm"),
        ("--epochs=1\n--\nrest\n", "'rest'"),
        ("--epochs 1\n--seed=2\n", "--epochs 1"),
        ("--flagfile=inner.cfg\n--seed=2\n", "'left over'"),
        ("--horizontal_flip\nTrue\n", "'True'"),
    ],
)
def test_line_of_a_flagfile_that_is_no_flag_is_refused(
    command, tmp_path, monkeypatch, text, named
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("inner.cfg").write_text("--epochs=1\nleft over\n--batch_size=4\n")
    pathlib.Path("run.cfg").write_text(text)
    result = command("--flagfile=run.cfg", "--output_dir=run")
    assert_error(result, 2, named)
    assert not pathlib.Path("run").exists()


def test_last_of_a_flag_counts_so_that_a_flagfile_can_be_changed(command, tmp_path):
    path = tmp_path / "run.cfg"
    path.write_text("--mode=fly\n")
    result = command(f"--flagfile={path}", "--mode=evaluate", "--output_dir=none")
    assert_error(result, 2, "--mode=fly")
    path.write_text("--mode=train\n")
    result = command(f"--flagfile={path}", "--mode=evaluate", "--output_dir=none")
    assert_error(result, 1, "--mode=evaluate needs a finished run")


def test_unknown_start_of_gates_is_named(command, tmp_path):
    result = train(command, tmp_path, "--gate_from=conv9", options=GATED)
    assert_error(result, 1, "gate_from='conv9'", "stem_conv")


def test_empty_class_folder_is_listed_and_no_class(command, tmp_path):
    images = make_images(tmp_path / "images")
    (images / "bird").mkdir()
    code, _, err = train(command, tmp_path, images=images)
    assert code == 0, err
    rows = list(csv.DictReader((tmp_path / "run/skipped_images.csv").open()))
    assert [row["path"] for row in rows] == [str(images / "bird")]
    assert "bird" not in (tmp_path / "run/labels.txt").read_text().splitlines()


def test_single_class_is_refused(command, tmp_path):
    images = make_images(tmp_path / "images", classes=("cat",))
    result = train(command, tmp_path, images=images)
    assert_error(result, 2, "cat")


def test_label_in_test_that_is_not_in_train_is_named(command, tmp_path):
    make_images(tmp_path / "images" / "train")
    make_images(tmp_path / "images" / "test", classes=("cat", "dog", "eel"))
    result = train(command, tmp_path, images=tmp_path / "images")
    assert_error(result, 2, "eel")


def test_unreadable_image_is_named_or_skipped(command, tmp_path):
    images = make_images(tmp_path / "images")
    broken = images / "cat" / "broken.jpg"
    broken.write_bytes((images / "cat" / "0.jpg").read_bytes()[:300])
    result = train(command, tmp_path, images=images)
    assert_error(result, 1, str(broken), "--on_bad_image=skip")
    assert not (tmp_path / "run" / "split.csv").exists()
    # The first try failed before training, so the second may have other settings.
    assert train(command, tmp_path, "--on_bad_image=skip", images=images)[0] == 0
    rows = list(csv.DictReader((tmp_path / "run/skipped_images.csv").open()))
    assert [row["path"] for row in rows] == [str(broken)]


def test_image_that_vanishes_is_named(command, tmp_path, monkeypatch):
    write = image_record.write_record

    def write_and_remove(examples, path, **options):
        write(examples, path, **options)
        pathlib.Path(examples.train.paths[0]).unlink()

    monkeypatch.setattr(image_record, "write_record", write_and_remove)
    result = train(command, tmp_path)
    assert_error(result, 1, f"The image {tmp_path}", ".jpg was there", "put it back")


def test_other_settings_in_a_used_folder_are_refused(finished, command):
    root, arguments, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (root / "run").rglob("*")}
    result = command(*arguments, "--learning_rate=0.5")
    assert_error(
        result, 1, "--learning_rate=0.01", "--learning_rate=0.5", "--output_dir"
    )
    assert {p: p.stat().st_mtime_ns for p in (root / "run").rglob("*")} == before


def unfinish(finished, tmp_path):
    """A copy of the finished run that has its last steps to take; its arguments."""
    root, arguments, _ = finished
    folder = shutil.copytree(root / "run", tmp_path / "run")
    for path in (folder / "metrics.json", folder / "model.keras"):
        path.unlink()
    shutil.rmtree(folder / "checkpoints/step_000000004")
    return [*arguments[:-1], f"--output_dir={folder}"]


def test_resume_with_other_images_is_refused(finished, command, tmp_path):
    arguments = unfinish(finished, tmp_path)
    image = finished[0] / "images/cat/0.jpg"
    content = image.read_bytes()
    try:
        image.write_bytes(content[:-1] + b"x")
        result = command(*arguments)
        assert_error(result, 1, "1 of 12 images", f"{image} (its content has changed)")
    finally:
        image.write_bytes(content)
    new = image.with_name("new.jpg")
    try:
        new.write_bytes(content)
        assert_error(command(*arguments), 1, "differences", f"first: {new} is new")
    finally:
        new.unlink()


def test_resume_without_its_list_of_splits_is_refused(finished, command, tmp_path):
    arguments = unfinish(finished, tmp_path)
    (tmp_path / "run/split.csv").unlink()
    assert_error(command(*arguments), 1, "split.csv cannot be read", "put the file")


def test_checkpoint_of_another_method_is_refused(finished, command, tmp_path):
    root, arguments, _ = finished
    folder = tmp_path / "run"
    shutil.copytree(root / "run", folder)
    (folder / "model.keras").unlink()
    for path in folder.glob("checkpoints/*/checkpoint.json"):
        fields = {**json.loads(path.read_text()), "method": "fine_tuning"}
        digests = fields.pop("sha256")
        digests["info"] = hashlib.sha256(
            json.dumps(fields, sort_keys=True).encode()
        ).hexdigest()
        path.write_text(json.dumps({**fields, "sha256": digests}))
    result = command(*arguments[:-1], f"--output_dir={folder}")
    assert_error(result, 1, "has method fine_tuning, this run has adafilter")


def test_evaluation_without_a_run_is_refused(command, tmp_path):
    result = command("--mode=evaluate", f"--output_dir={tmp_path / 'no'}")
    assert_error(result, 1, "--mode=evaluate needs a finished run", "--mode=train")
    assert not (tmp_path / "no").exists()


def test_prediction_without_images_is_refused(finished, command):
    root, _, _ = finished
    result = command("--mode=predict", f"--output_dir={root / 'run'}")
    assert_error(result, 2, "--mode=predict needs --images")


def test_loss_that_is_no_number_ends_the_run_without_a_model(command, tmp_path):
    rates = ("--learning_rate=1e30", "--warmup_fraction=0")
    result = train(command, tmp_path, *rates, options=GATED)
    assert_error(
        result, 1, "not finite" if "not finite" in result[2] else "The loss is"
    )
    assert not (tmp_path / "run" / "model.keras").exists()


@pytest.mark.slow
def test_rollback_goes_back_with_half_the_rates_and_ends_at_its_limit(
    command, tmp_path, caplog
):
    result = train(
        command,
        tmp_path,
        "--learning_rate=1e30",
        "--warmup_fraction=0",
        "--on_non_finite=rollback",
        "--max_rollbacks=2",
        options=GATED,
    )
    assert_error(result, 1, "--head_learning_rate")
    warnings = [text for text in caplog.messages if "Rollback" in text]
    assert len(warnings) == 2
    assert "Rollback 1 of 2" in warnings[0] and "times 0.5." in warnings[0]
    assert "Rollback 2 of 2" in warnings[1] and "times 0.25." in warnings[1]
    assert "backbone 5e+29." in warnings[0] and "backbone 2.5e+29." in warnings[1]
    assert not (tmp_path / "run" / "model.keras").exists()


@pytest.mark.slow
def test_rollback_that_helps_ends_with_a_model(command, tmp_path, caplog):
    """At a rate of 1e6 the moving variances overflow, at a quarter they do not."""
    images = make_images(tmp_path / "images")
    folder = tmp_path / "run"
    code, out, err = command(
        *SMALL,
        "--method=fine_tuning",
        "--tune_blocks=1",
        "--steps_per_epoch=3",
        "--warmup_fraction=0",
        "--learning_rate=1e6",
        "--on_non_finite=rollback",
        "--max_rollbacks=6",
        f"--dataset=folder:{images}",
        f"--output_dir={folder}",
    )
    assert code == 0, err
    assert "fine_tuning  test accuracy" in out
    warnings = [text for text in caplog.messages if "Rollback" in text]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["rollbacks"] == len(warnings) > 0
    assert "moving_variance is not finite at step 6" in warnings[0]
    assert f"Images of step 6: {images}" in warnings[0]
    # Each time it went on from the checkpoint, not from the start.
    assert caplog.messages.count("Resuming at step 3 of 6.") == len(warnings)
    last = json.loads(
        (folder / "checkpoints/step_000000006/checkpoint.json").read_text()
    )
    assert last["rollbacks"] == len(warnings)
