"""The head that turns a backbone's features into logits."""

import keras

from adafilter_tf import layers
from adafilter_tf.models import graph, inlining

# By these names the optimizer finds the weights that decide.
GATE_NETWORKS = ("recurrent_gate", "feedforward_gate", "policy_network")
# By these names the layers of all methods are found.
OWN_NAMES = ("images", "head", "head_pool", "block_choice", *GATE_NETWORKS)


def add_head(
    backbone: keras.Model,
    num_classes: int,
    *,
    kernel_regularizer: keras.Regularizer | None = None,
) -> keras.Model:
    """Puts global average pooling and a dense layer named "head" on a backbone.

    Args:
        backbone: Functional model with output [B, H, W, C] or [B, C].
        num_classes: K.
        kernel_regularizer: Of the dense layer.

    Returns:
        A functional model of the backbone's input to float32 logits [B, K]. It shares
        the backbone's layers, unless one of them is named "head" or as the methods'
        gate networks are: then it has copies of them, and that one another name.

    Example:
        >>> model = add_head(backbone, num_classes=5)
        >>> model.output_shape
        (None, 5)
    """
    backbone = free_names(backbone)
    features = pool_features(backbone)
    # float32 under every dtype policy: the loss needs the digits of the logits.
    logits = keras.layers.Dense(
        num_classes,
        kernel_regularizer=kernel_regularizer,
        dtype="float32",
        name="head",
    )(features)
    (images,) = backbone.inputs
    return keras.Model(images, logits, name=f"{backbone.name}_classifier")


def pool_features(backbone: keras.Model) -> keras.KerasTensor:
    """Returns the features [B, C] of a backbone, averaged over their positions."""
    features = backbone.output
    if len(features.shape) == 2:
        return features
    taken = {layer.name for layer in backbone.layers}
    name = graph.free_name("head_pool", taken)
    return keras.layers.GlobalAveragePooling2D(name=name)(features)


def free_names(backbone: keras.Model) -> keras.Model:
    """Returns a backbone without layers of the names that the optimizer looks for.

    Those are "head" and the names of gate networks, unless the layer is one. The result
    is `backbone` itself, or a copy that shares no weight with it.
    """
    deciding = (layers.GateNetwork, layers.PolicyNetwork)
    clashing = {
        layer.name
        for layer in backbone.layers
        if layer.name == "head"
        or (layer.name in GATE_NETWORKS and not isinstance(layer, deciding))
    }
    if not clashing:
        return backbone
    return inlining.inline_models(backbone, reserved=clashing.__contains__)
