"""Image files with bytes changed: skipped and named, or trained on; never a crash."""

import csv
import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adafilter_tf.data import splits
from adafilter_tf.runs import run_dir
from tests.faults import mutations

_OPTIONS = (
    "--backbone=resnet14_rgb",
    "--weights=random",
    "--image_size=16",
    "--batch_size=32",
    "--epochs=1",
    "--gate_from=stage3",
    "--gate_units=4",
    "--random_resized_crop_min_area=0.2",
    "--on_bad_image=skip",
    "--max_bad_fraction=1",
)


def _originals():
    """Files of all the kinds that the decoders know, by suffix."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (37, 41, 3), np.uint8)
    rgb[:20] = 128
    deep = (rgb[:, :, 0].astype(np.uint16) * 257).astype(np.uint16)
    images = [
        ("jpg", Image.fromarray(rgb), {}),
        ("jpg", Image.fromarray(rgb), {"progressive": True, "quality": 60}),
        ("jpg", Image.fromarray(rgb), {"subsampling": 2, "restart_marker_blocks": 4}),
        ("jpeg", Image.fromarray(rgb[:, :, 0]), {}),
        ("jpg", Image.fromarray(rgb).convert("CMYK"), {}),
        ("png", Image.fromarray(rgb), {}),
        ("png", Image.fromarray(rgb[:, :, 1]), {}),
        ("png", Image.fromarray(rgb).convert("P"), {}),
        ("png", Image.fromarray(rgb).convert("RGBA"), {}),
        ("png", Image.fromarray(deep), {}),
        ("png", Image.fromarray(rgb).convert("1"), {}),
    ]
    for suffix, image, options in images:
        stream = io.BytesIO()
        image.save(stream, "JPEG" if suffix.startswith("j") else "PNG", **options)
        yield suffix, stream.getvalue()


@pytest.mark.slow
def test_damaged_images(command, amount, count, tmp_path):
    """Every file is used or listed, in training, prediction and serving alike."""
    rng = np.random.default_rng(3)
    originals = list(_originals())
    images = tmp_path / "images"
    for label in ("whole", "damaged"):
        (images / label).mkdir(parents=True)
    for number, (suffix, content) in enumerate(originals * 2):
        (images / "whole" / f"{number}.{suffix}").write_bytes(content)
    total = amount(1000, 60)
    for number in range(total):
        suffix, content = originals[number % len(originals)]
        for _ in range(1 + number % 2):
            content = mutations.mutate_bytes(content or b"\0", rng)
        (images / "damaged" / f"{number}.{suffix}").write_bytes(content)

    folder = run_dir.RunDir(tmp_path / "run")
    code, err = _attempt(
        count,
        command,
        *_OPTIONS,
        f"--dataset=folder:{images}",
        f"--output_dir={folder.root}",
    )
    assert code == 0, err
    skipped = list(csv.DictReader(folder.skipped_images.open()))
    used = sum(
        len(examples) for _, examples in splits.read_splits(folder.splits).items()
    )
    assert used + len(skipped) == total + 2 * len(originals)
    assert all(row["path"].startswith(f"{images}/damaged/") for row in skipped)
    count.add("used", used - 2 * len(originals))
    count.add("skipped", len(skipped))

    predictions = tmp_path / "predictions.csv"
    code, err = _attempt(
        count,
        command,
        "--mode=predict",
        f"--output_dir={folder.root}",
        f"--images={images / 'damaged'}",
        f"--predictions={predictions}",
    )
    assert code == 0, err
    rows = list(csv.DictReader(predictions.open()))
    assert len(rows) == total
    count.add("predicted", sum(bool(row["class"]) for row in rows))
    count.add("predicted as unreadable", sum(not row["class"] for row in rows))

    served = tf.saved_model.load(str(folder.export / "1"))
    files = [pathlib.Path(row["path"]).read_bytes() for row in rows]
    answer = served.signatures["serving_default"](image_bytes=tf.constant(files))
    valid = answer["valid"].numpy()
    assert np.isfinite(answer["probabilities"].numpy()[valid]).all()
    count.add("served", int(valid.sum()))
    count.add("served as unreadable", int((~valid).sum()))
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)


def _attempt(count, command, *arguments):
    try:
        return command(*arguments)
    except Exception as error:
        count.crash(arguments, error)
        raise
