import pytest
from absl import flags as absl_flags
from absl import logging

from adafilter_tf.cli import flags
from adafilter_tf.cli.modes import train
from adafilter_tf.evaluation import published


def describe(dataset="dtd", backbone="resnet50", accuracy=0.5, **changes):
    options = {"weights": "pretrained", "frozen": False} | changes
    return published.describe_shortfall(dataset, backbone, accuracy, **options)


@pytest.mark.parametrize(
    "dataset", ["dtd", "tfds:dtd", "tfds:dtd:3.0.1", "dtd:3.0.1", "folder:data/dtd/"]
)
def test_far_below_names_accuracy_and_band(dataset):
    message = describe(dataset)
    assert message.startswith(
        "Test accuracy 50.0 % is more than 10 points below the 74.6 % known for "
        "dtd with full fine-tuning of a ResNet50"
    )


def test_frozen_features_have_a_band_of_their_own():
    aircraft = "folder:data/fgvc_aircraft"
    assert describe(aircraft, accuracy=0.6, frozen=True) is None
    assert "86.0 %" in describe(aircraft, accuracy=0.6)
    assert "the 61.0 % known" in describe(aircraft, accuracy=0.5, frozen=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"accuracy": 0.65},
        {"dataset": "eurosat/rgb"},
        {"dataset": "folder:data/mine"},
        {"dataset": "caltech101", "frozen": True},
        {"backbone": "resnet14"},
        {"backbone": "vgg16"},
        {"weights": "random"},
        {"weights": "mine.weights.h5"},
    ],
)
def test_nothing_is_said_of_healthy_or_unknown_runs(changes):
    assert describe(**changes) is None


def test_flowers_band_is_that_of_tfds_split():
    assert describe("oxford_flowers102", accuracy=0.80) is None
    assert "88.0 %" in describe("oxford_flowers102", accuracy=0.77)


@pytest.mark.parametrize("backbone", ["resnet101", "resnet152v2", "resnet50v2"])
def test_deeper_resnets_are_compared_too(backbone):
    assert describe(backbone=backbone) is not None


@pytest.mark.parametrize(
    ("arguments", "bands"),
    [
        (["--backbone=resnet50"], ["74.6"]),
        (["--backbone=resnet50", "--method=fine_tuning"], ["74.6"]),
        (
            ["--backbone=resnet50", "--method=fine_tuning", "--tune_blocks=none"],
            ["74.9"],
        ),
        (["--backbone=resnet50", "--examples_per_class=5"], []),
        (["--backbone=resnet14"], []),
    ],
)
def test_training_warns_once(monkeypatch, arguments, bands):
    said = []
    monkeypatch.setattr(logging, "warning", lambda *parts: said.append(parts[1]))
    values = absl_flags.FlagValues()
    flags.define_flags(values)
    values(["run", "--dataset=tfds:dtd:3.0.1", *arguments])
    train._compare_with_published(values, values.method, {"test_accuracy": 0.5})
    assert len(said) == len(bands)
    for band, text in zip(bands, said, strict=True):
        assert f"below the {band} % known for dtd" in text
