import re

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import efficientnet_lite_weights as weights
from tests.models.backbones import lite_packages


@pytest.fixture(scope="module")
def tensors():
    return lite_packages.random_tensors()


@pytest.fixture
def classifier():
    return weights.build_classifier(image_size=32)


def test_each_tensor_lies_where_keras_wants_it(tensors, classifier):
    weights.copy_weights(tensors, classifier)

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
        weights.copy_weights(
            {k: v for k, v in tensors.items() if k != name}, classifier
        )
    with pytest.raises(errors.RunError, match=r"without a place: \['_blocks.16"):
        weights.copy_weights(
            {**tensors, "_blocks.16._bn1.bias": np.ones(3)}, classifier
        )


@pytest.fixture
def package(tensors, tmp_path, monkeypatch):
    return lite_packages.write_package(tensors, tmp_path, monkeypatch)


def test_imported_weights_are_the_backbones(package, tensors):
    weights.import_weights(package)
    backbone = backbones.build_backbone(weights.BACKBONE, image_size=32)
    kernel = np.asarray(backbone.get_layer("top_conv").kernel)
    assert kernel[0, 0, 5, 9] == tensors["_conv_head.weight"][9, 5, 0, 0]


def test_other_weights_than_the_recorded_are_refused(package):
    weights.import_weights(package)
    path = backbones.get_spec(weights.BACKBONE).imported_weights.path()
    backbone = backbones.build_backbone(weights.BACKBONE, image_size=32)
    backbone.get_layer("top_bn").beta.assign_add(np.full(1280, 1e-3))
    backbone.save_weights(path)
    message = rf"{path} have the SHA-256 \w+, recorded is .*: adafilter import-weights"
    with pytest.raises(errors.RunError, match=message):
        backbones.build_backbone(weights.BACKBONE, image_size=32)


def test_weights_that_were_not_imported_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    message = (
        f"efficientnetlite0 are not in {re.escape(str(tmp_path / 'models'))} yet. "
        "Import them once: adafilter import-weights efficientnetlite0"
    )
    with pytest.raises(errors.RunError, match=message):
        backbones.build_backbone(weights.BACKBONE, image_size=32)
