"""Batch spectral shrinkage (Chen et al., 2019, NeurIPS)."""

import keras

from adafilter_tf import layers
from adafilter_tf.models import classifier, graph


def build(
    backbone: keras.Model,
    num_classes: int,
    *,
    spectral_shrinkage: float = 0.001,
    shrunk_singular_values: int = 1,
) -> keras.Model:
    """Returns a classifier that suppresses its features' smallest singular values.

    Source: "Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage
    for Safe Transfer Learning".

    Args:
        backbone: Functional model; becomes part of the result.
        num_classes: K.
        spectral_shrinkage: Weight of the penalty.
        shrunk_singular_values: Number of a batch's smallest ones that are penalised.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Example:
        >>> model = build(backbone, 3, shrunk_singular_values=2)
        >>> model.get_layer("batch_spectral_shrinkage").count
        2
    """
    features = classifier.pool_features(backbone)
    name = graph.free_name(
        "batch_spectral_shrinkage", {layer.name for layer in backbone.layers}
    )
    features = layers.BatchSpectralShrinkage(
        spectral_shrinkage, shrunk_singular_values, name=name
    )(features)
    (images,) = backbone.inputs
    shrunk = keras.Model(images, features, name=backbone.name)
    return classifier.add_head(shrunk, num_classes)
