"""--probe and --head_init in whole runs."""

import functools
import json

import keras
import numpy as np
import pytest

from adafilter_tf.cli import trial
from tests import run_folders
from tests.command_line import assert_error, call

FLAGS = (
    "--backbone=resnet14_rgb",
    "--image_size=16",
    "--batch_size=4",
    "--method=fine_tuning",
    "--epochs=1",
    "--steps_per_epoch=1",
    "--validation_fraction=0.3",
    "--test_fraction=0.3",
    "--export_formats=",
)
THE_PROBE = ("--tune_blocks=none", "--head_init=probe", "--head_learning_rate=0")


@pytest.fixture
def command(capfd):
    return functools.partial(call, capfd)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    run_folders.make_images(root, number=10)
    # Half of two classes change places, so that the classifier errs.
    for one, other in (("red", "blue"), ("blue", "red")):
        for index in range(5):
            moved = root / other / f"{one}_{index}.png"
            (root / one / f"{index}.png").rename(moved)
    return root


def read_metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_offered_command_is_the_probe_itself(command, images, tmp_path):
    folder = tmp_path / "run"
    code, out, err = command(
        *FLAGS, *THE_PROBE, f"--dataset=folder:{images}", f"--output_dir={folder}"
    )
    assert code == 0, err
    metrics = read_metrics(folder)
    assert 0 < metrics["probe_validation_accuracy"] < 1
    for split in ("validation", "test"):
        assert metrics[f"{split}_accuracy"] == metrics[f"probe_{split}_accuracy"]
    assert metrics["probe_validation_difference"]["difference"] == 0
    row = f"frozen features test accuracy {100 * metrics['test_accuracy']:.2f} %"
    assert row in out
    head = keras.saving.load_model(folder / "model.keras").get_layer("head")
    with np.load(folder / "probe.npz") as probe:
        assert np.array_equal(head.kernel, probe["kernel"])
        assert np.array_equal(head.bias, probe["bias"])


@pytest.mark.slow
def test_measuring_the_probe_changes_no_weight(command, images, tmp_path):
    weights = {}
    for probe in ("always", "never"):
        folder = tmp_path / probe
        code, out, err = command(
            *FLAGS,
            f"--probe={probe}",
            f"--dataset=folder:{images}",
            f"--output_dir={folder}",
        )
        assert code == 0, err
        assert ("frozen features" in out) == (probe == "always")
        assert ("probe_test_accuracy" in read_metrics(folder)) == (probe == "always")
        weights[probe] = keras.saving.load_model(folder / "model.keras").get_weights()
    for one, other in zip(*weights.values(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_trial_of_a_comparison_starts_from_the_probe(images):
    arguments = [*FLAGS, *THE_PROBE, f"--dataset=folder:{images}"]
    metrics = trial.run_trial(arguments, True)
    started = trial.run_trial([*arguments, "--head_init=random"], True)
    assert metrics["train_accuracy"] > started["train_accuracy"]
    assert "--head_init=probe" in metrics["all_flags"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--probe=always"], ["--probe=always", "without pre-trained --weights"]),
        (["--head_init=probe"], ["--head_init=probe", "without pre-trained"]),
    ],
)
def test_random_weights_have_no_probe(command, images, tmp_path, arguments, parts):
    result = command(
        *FLAGS,
        "--weights=random",
        f"--dataset=folder:{images}",
        f"--output_dir={tmp_path / 'run'}",
        *arguments,
    )
    assert_error(result, 2, *parts)
