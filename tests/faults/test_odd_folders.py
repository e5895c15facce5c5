"""Folders of odd files: every one is used, or listed with its reason."""

import csv
import json
import os

import pytest
import tensorflow as tf

from tests.command_line import call
from tests.faults import odd_folder

_TRAINING = (
    "--backbone=resnet14_rgb",
    "--weights=random",
    "--image_size=16",
    "--batch_size=16",
    "--epochs=1",
    "--steps_per_epoch=2",
    "--gate_from=stage3",
    "--gate_units=4",
    "--on_bad_image=skip",
    "--max_bad_fraction=1",
    "--export_formats=",
)


def _read(path):
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def _find_missing(entries, used, reasons):
    """Entries that are neither used nor listed, themselves or by a folder above."""
    listed = {path for path, reason in reasons.items() if reason}

    def is_listed(path):
        while path != os.path.dirname(path):
            if path in listed:
                return True
            path = os.path.dirname(path)
        return False

    return [path for path in entries if path not in used and not is_listed(path)]


def _serve(export, paths):
    """Class and score of each file that the exported model takes."""
    model = tf.saved_model.load(str(export))
    answer = model.signatures["serving_default"]
    found = {}
    for path in paths:
        with open(path, "rb") as file:
            outputs = answer(image_bytes=tf.constant([file.read()]))
        if outputs["valid"].numpy()[0]:
            name = outputs["classes"].numpy()[0].decode()
            found[path] = name, float(outputs["top_k_scores"].numpy()[0, 0])
    return found


def _is_jpeg_or_png(path):
    with open(path, "rb") as file:
        return file.read(4) in (b"\xff\xd8\xff\xe0", b"\x89PNG")


@pytest.mark.slow
def test_every_file_is_used_or_listed(capfd, amount, count, tmp_path):
    images = tmp_path / "odd" / "images"
    odd_folder.make(images, amount(3000, 60))
    entries = odd_folder.list_entries(images)
    data = (f"--dataset=folder:{images}", f"--data_dir={tmp_path / 'data'}")

    def run(*arguments):
        code, out, err = call(capfd, *arguments, *data)
        assert code == 0, err[-2000:]
        assert "Traceback" not in out + err
        return out, err

    run("--mode=inspect", f"--output_dir={tmp_path / 'look'}", *_TRAINING[:3])
    found = json.loads((tmp_path / "look" / "inspection.json").read_text())
    rows = _read(tmp_path / "look" / "manifest.csv")
    left_out = {each["path"]: each["reason"] for each in found["left_out"]}
    assert _find_missing(entries, {row["path"] for row in rows}, left_out) == []
    usable = {row["path"] for row in rows if row["status"] == "ok"}

    run("--mode=train", f"--output_dir={tmp_path / 'run'}", *_TRAINING)
    skipped = _read(tmp_path / "run" / "skipped_images.csv")
    reasons = {row["path"]: row["reason"] for row in skipped}
    used = {row["path"] for row in _read(tmp_path / "run" / "split.csv")}
    assert _find_missing(entries, used, reasons) == []
    assert used == usable

    code, out, err = call(
        capfd,
        "--mode=predict",
        f"--output_dir={tmp_path / 'run'}",
        f"--images={images}",
        f"--predictions={tmp_path / 'predictions.csv'}",
    )
    assert code == 0 and "Traceback" not in out + err, err[-2000:]
    rows = _read(tmp_path / "predictions.csv")
    left_out = tmp_path / "predictions.csv.left_out.csv"
    reasons = {row["path"]: row["reason"] for row in _read(left_out)}
    assert _find_missing(entries, {row["path"] for row in rows}, reasons) == []
    predicted = {row["path"] for row in rows if not row["error"]}
    assert usable <= predicted

    run("--mode=export", f"--output_dir={tmp_path / 'run'}", "--fold=none")
    served = _serve(tmp_path / "run" / "export" / "1", sorted(predicted))
    answers = {row["path"]: row for row in rows}
    for path, (name, score) in served.items():
        assert abs(score - float(answers[path]["probability"])) < 1e-3, path
        assert name == answers[path]["class"], path
    # Damaged files of other kinds, which Pillow still reads, are refused by a server.
    assert {path for path in predicted if _is_jpeg_or_png(path)} <= served.keys()
    count.add("served", len(served))
    count.add("usable", len(usable))
    count.add("listed", len(entries) - len(usable))
