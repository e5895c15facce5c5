"""Training of batch norms and head alone.

Source: Frankle, Schwab and Morcos, 2021, arXiv 2003.00152.
"""

import keras

from adafilter_tf import errors
from adafilter_tf.models import classifier


def build(backbone: keras.Model, num_classes: int) -> keras.Model:
    """Returns a classifier of which batch norms and head train, and nothing else.

    The paper does so with random networks; here the network is pre-trained.

    Args:
        backbone: Functional model; becomes part of the result.
        num_classes: K.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Raises:
        UsageError: When the backbone has no batch norm.

    Example:
        >>> model = build(backbone, 3)
        >>> sorted({weight.name for weight in model.trainable_weights})
        ['beta', 'bias', 'gamma', 'kernel']
    """
    for layer in backbone.layers:
        layer.trainable = isinstance(layer, keras.layers.BatchNormalization)
    if not any(layer.trainable for layer in backbone.layers):
        raise errors.UsageError(
            f"Received --method=bn_only for the backbone {backbone.name}, which has no "
            "batch norm; choose one that has, such as resnet50, or "
            "--method=fine_tuning --tune_blocks=none to train the head alone."
        )
    return classifier.add_head(backbone, num_classes)
