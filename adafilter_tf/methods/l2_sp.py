"""L2-SP: decay towards the pre-trained weights (Li et al., 2018, arXiv 1802.01483)."""

import keras

from adafilter_tf import layers
from adafilter_tf.models import classifier


def build(
    backbone: keras.Model,
    num_classes: int,
    *,
    starting_point_penalty: float = 0.01,
    head_penalty: float = 0.01,
) -> keras.Model:
    """Returns a classifier whose kernels decay towards their pre-trained values.

    loss + starting_point_penalty / 2 * |w - w0|^2 + head_penalty / 2 * |w_head|^2, with
    w the kernels of the backbone and w0 their pre-trained values. Biases and batch
    norms are free, as in the authors' code.

    Args:
        backbone: Functional model; becomes part of the result.
        num_classes: K.
        starting_point_penalty: The paper's alpha.
        head_penalty: The paper's beta.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K]. The pre-trained values are
        saved with it but are not among its parameters.

    Example:
        >>> model = build(backbone, 3, starting_point_penalty=0.1)
        >>> model.get_layer("anchored").strength
        0.1
    """
    backbone = classifier.free_names(backbone)
    images = keras.Input(
        batch_shape=backbone.inputs[0].shape, dtype=backbone.inputs[0].dtype
    )
    anchored = layers.L2SPPenalty(backbone, starting_point_penalty, name="anchored")
    features = keras.Model(images, anchored(images), name=backbone.name)
    return classifier.add_head(
        features,
        num_classes,
        kernel_regularizer=keras.regularizers.L2(head_penalty / 2),
    )
