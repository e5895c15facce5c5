"""Low-rank adaptation of the convolutions (Hu et al., 2021, arXiv 2106.09685)."""

import keras

from adafilter_tf.models import classifier


def build(
    backbone: keras.Model, num_classes: int, *, lora_rank: int = 4
) -> keras.Model:
    """Returns a classifier whose convolutions learn a low-rank update.

    Each kernel W [kh, kw, C, N] becomes W + A B with A [kh, kw, C, rank] and
    B [rank, N], which starts at zero (`keras.layers.Conv2D.enable_lora`). Everything
    else of the backbone stays as it is, depthwise convolutions and the statistics of
    batch norms included; the head trains. A saved model holds the sum.

    Args:
        backbone: Functional model; becomes part of the result.
        num_classes: K.
        lora_rank: Rank of the update.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Example:
        >>> model = build(backbone, 3, lora_rank=2)
        >>> [weight.name for weight in model.trainable_weights][:2]
        ['lora_kernel_a', 'lora_kernel_b']
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.enable_lora(lora_rank)
            if layer.use_bias:
                layer.bias.trainable = False
        else:
            layer.trainable = False
    return classifier.add_head(backbone, num_classes)
