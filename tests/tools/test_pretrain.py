import dataclasses
import hashlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.models.backbones import resnet14
from tools import pretrain, source_task, training_recipe

RECIPE = training_recipe.Recipe(
    epochs=1,
    batch_size=4,
    learning_rate=0.1,
    weight_decay=0.0,
    max_shift=1,
    validation_examples=4,
    seed=0,
)


@pytest.fixture(scope="module")
def source():
    random = np.random.default_rng(0)
    return source_task.SourceTask(
        name="Tiny-Task",
        origin="Random pixels.",
        limits="Good for nothing.",
        class_names=("a", "b"),
        train_images=random.integers(0, 256, (12, 8, 8, 1), np.uint8),
        train_labels=random.integers(0, 2, 12, np.int32),
        test_images=random.integers(0, 256, (3, 8, 8, 1), np.uint8),
        test_labels=random.integers(0, 2, 3, np.int32),
    )


@pytest.fixture(scope="module")
def finished_run(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    command = pretrain.command_line("tiny", RECIPE, "weights")
    return folder, pretrain.pretrain(source, RECIPE, str(folder), command)


def test_learning_rate_warms_up_for_a_tenth_and_ends_at_zero():
    schedule = training_recipe.learning_rate_schedule(0.2, 100)

    # Half of the warm-up, its end, half of the cosine's 90 steps, the end.
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(rates, [0.0, 0.1, 0.2, 0.1, 0.0], atol=1e-7)


def _weights_after_one_step(weight_decay):
    keras.utils.set_random_seed(0)
    # Ones as initial values, so that decay would show.
    layers = [
        keras.Input((2, 2, 1)),
        keras.layers.BatchNormalization(beta_initializer="ones", name="norm"),
        keras.layers.Flatten(),
        keras.layers.Dense(2, bias_initializer="ones", name="head"),
    ]
    model = keras.Sequential(layers, name="model")
    recipe = dataclasses.replace(RECIPE, weight_decay=weight_decay)
    training_recipe.compile_model(model, recipe, total_steps=1)
    images = np.arange(8.0).reshape(2, 2, 2, 1)
    model.fit(images, np.array([0, 1]), verbose=0)
    return {weight.path: weight.numpy() for weight in model.trainable_weights}


def test_weight_decay_shrinks_kernels_alone():
    plain, decayed = _weights_after_one_step(0.0), _weights_after_one_step(0.5)

    changed = [path for path in plain if not np.array_equal(plain[path], decayed[path])]
    assert len(plain) == 4
    assert changed == ["model/head/kernel"]


def test_accuracy_counts_the_last_partial_batch():
    # Logits: brightness and its negative, so bright images are class 0.
    images = keras.Input((32, 32, 1))
    brightness = keras.layers.GlobalAveragePooling2D()(images)
    logits = keras.layers.Concatenate()([brightness, keras.ops.negative(brightness)])
    model = keras.Model(images, logits)
    pixels = np.full((501, 32, 32, 1), 255, np.uint8)
    pixels[500] = 0

    assert pretrain.accuracy(model, pixels, np.zeros(501)) == 500 / 501


def test_without_output_dir_no_test_image_is_looked_at(source):
    untouchable = dataclasses.replace(source, test_images=None, test_labels=None)

    assert 0.0 <= pretrain.pretrain(untouchable, RECIPE, None) <= 1.0


def test_run_writes_weights_that_load_and_a_card_that_names_them(finished_run):
    folder, _ = finished_run

    assert sorted(os.listdir(folder)) == [
        "resnet14_tiny_task.md",
        "resnet14_tiny_task.weights.h5",
    ]
    weights = folder / "resnet14_tiny_task.weights.h5"
    card = (folder / "resnet14_tiny_task.md").read_text("utf-8")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    backbone = resnet14.resnet14()
    backbone.load_weights(weights)
    # Trained: a moving mean starts at 0 and stays there without a step.
    assert np.any(backbone.get_layer("stem_bn").moving_mean)


def test_card_holds_the_run_s_figures_and_command(finished_run):
    folder, validation_accuracy = finished_run
    card = (folder / "resnet14_tiny_task.md").read_text("utf-8")

    assert f"| validation | {validation_accuracy:.2%} |" in card
    assert "| training | 8 |\n" in card
    assert "| test | 3 |\n" in card
    assert "--source=tiny \\\n    --epochs=1 \\\n    --batch_size=4 " in card
    assert "{" not in card


def test_batch_beyond_the_training_examples_is_refused(source):
    recipe = dataclasses.replace(RECIPE, batch_size=9)

    with pytest.raises(
        errors.UsageError,
        match="^--batch_size=9 is more than the 8 training examples; give a smaller",
    ):
        pretrain.pretrain(source, recipe, None)


def test_loss_that_is_not_finite_ends_the_run_and_writes_nothing(source, tmp_path):
    recipe = dataclasses.replace(RECIPE, learning_rate=1e38, epochs=3)

    with pytest.raises(
        errors.RunError, match=r"^The loss became nan with --learning_rate=1e\+38; give"
    ):
        pretrain.pretrain(source, recipe, str(tmp_path))

    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_missing_data_is_one_line_and_exit_code_1(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "tools.pretrain", f"--fashion_mnist_dir={tmp_path}"],
        capture_output=True,
        text=True,
    )

    assert result.returncode == 1
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"pretrain: {tmp_path}/train-images-idx3")
    assert "Traceback" not in result.stderr


def test_colour_source_trains_a_backbone_of_three_channels(source, tmp_path):
    colour = dataclasses.replace(
        source,
        name="Tiny Colours",
        train_images=np.repeat(source.train_images, 3, axis=3),
        test_images=np.repeat(source.test_images, 3, axis=3),
        background=255,
    )

    pretrain.pretrain(colour, RECIPE, str(tmp_path))

    resnet14.resnet14((32, 32, 3)).load_weights(
        tmp_path / "resnet14_rgb_tiny_colours.weights.h5"
    )
    card = (tmp_path / "resnet14_rgb_tiny_colours.md").read_text("utf-8")
    assert "Smaller images were centred on white ones." in card
