"""Every file of examples/ runs, and does what its first lines say."""

import importlib.util
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import adafilter_tf
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import saved_model

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
MAX_LINES = 60


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_short_and_all_tested():
    lengths = {p.stem: len(p.read_text().splitlines()) for p in EXAMPLES.glob("*.py")}
    assert set(lengths) == {"own_backbone", "own_fit", "own_loop", "serve"}
    assert max(lengths.values()) <= MAX_LINES, lengths


@pytest.mark.slow
def test_own_fit_learns_the_digits(capsys):
    accuracy = load("own_fit").main(num_train=200, num_test=100, epochs=3)
    assert accuracy > 0.8
    assert f"Test accuracy {accuracy:.1%}" in capsys.readouterr().out


@pytest.mark.slow
def test_own_loop_learns_the_stripes():
    assert load("own_loop").main() > 0.9


def test_own_backbone_starts_as_the_original(capsys):
    differences = load("own_backbone").main()
    assert differences.keys() == {"frozen", "tuned"}
    assert max(differences.values()) < 1e-5
    assert "block1_depthwise" in capsys.readouterr().out


def test_serve_answers_with_the_exported_models_classes(tmp_path, capsys):
    images = keras.Input((8, 8, 1))
    brightness = keras.layers.GlobalAveragePooling2D()(images) / 255
    logits = keras.ops.concatenate([1 - brightness, brightness], axis=1) * 10
    model = keras.Model(images, logits)
    export_dir = saved_model.export_saved_model(
        model,
        str(tmp_path / "export"),
        ImageSpec(8, 1, 1.0),
        class_names=["dark", "bright"],
    )
    for name, value in (("black", 0), ("white", 255)):
        pixels = np.full((8, 8, 1), value, np.uint8)
        (tmp_path / f"{name}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    (tmp_path / "text.png").write_text("no image")
    paths = [str(tmp_path / name) for name in ("black.png", "text.png", "white.png")]

    rows = load("serve").main([export_dir, *paths])

    assert [row["path"] for row in rows] == paths
    assert [row["valid"] for row in rows] == [True, False, True]
    assert [rows[0]["class"], rows[2]["class"]] == ["dark", "bright"]
    # softmax of (10, 0)
    assert rows[0]["probability"] == pytest.approx(1 / (1 + np.exp(-10)), abs=1e-5)
    assert "white.png: bright (100.0%)" in capsys.readouterr().out


def test_serve_imports_nothing_of_the_package():
    assert (
        adafilter_tf.__name__
        not in (EXAMPLES / "serve.py").read_text().split('"""', 2)[2]
    )
