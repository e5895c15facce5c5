"""A run on a network of the user's, which ends before the network's file does."""

import keras
import numpy as np
import pytest
from absl import flags as absl_flags
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.cli import flags, settings, trial
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.files import model_file


def values_of(*arguments):
    values = absl_flags.FlagValues()
    flags.define_flags(values)
    values(["run", *arguments])
    return values


@pytest.fixture
def network(tmp_path):
    """The path of a classifier of grey images of 8 x 8 pixels."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    path = tmp_path / "mine.keras"
    model.save(path)
    return path


def test_finished_run_needs_the_file_no_more(network, tmp_path):
    values = values_of(
        f"--backbone={network}", "--method=adafilter", f"--output_dir={tmp_path}"
    )
    settings.resolve_defaults(values)
    assert values.image_size == 8
    model = settings.build_model(values, "adafilter", 3)
    model_file.save_model(model, tmp_path / "model.keras")
    network.unlink()

    images = np.zeros((2, 8, 8, 1))
    loaded = model_file.load_model(tmp_path / "model.keras")
    assert ImageSpec.of(loaded, 0.875) == ImageSpec(8, 1, 0.875)
    assert np.array_equal(loaded(images), model(images))


def test_comparison_trains_on_a_file(network, tmp_path):
    rng = np.random.default_rng(0)
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(10):
            pixels = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{index}.png")
    metrics = trial.run_trial(
        [
            f"--dataset=folder:{tmp_path / 'data'}",
            f"--backbone={network}",
            "--features_layer=conv",
            "--method=fine_tuning",
            "--epochs=1",
            "--batch_size=8",
        ],
        measure_test=True,
    )
    assert 0 <= metrics["test_accuracy"] <= 1
    assert "--features_layer=conv" in metrics["all_flags"]


def test_missing_file_is_an_error_of_one_line(tmp_path):
    with pytest.raises(errors.RunError, match="none.keras; there is no such file"):
        settings.resolve_defaults(values_of(f"--backbone={tmp_path / 'none.keras'}"))
