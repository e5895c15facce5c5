"""SpotTune (Guo, Shi, Kumar, Grauman, Rosing and Feris, CVPR 2019, 1811.08737)."""

import keras

from adafilter_tf.models import classifier, routing


def build(
    backbone: keras.Model, num_classes: int, *, policy_temperature: float = 5.0
) -> keras.Model:
    """Returns a classifier whose images choose between frozen and tuned blocks.

    In training the choices are sampled; at inference each is the likelier one.

    Args:
        backbone: Functional model with named blocks, see `routing.add_routing`.
        num_classes: K.
        policy_temperature: Temperature of the Gumbel-softmax in training. The default
            is that of the authors' code.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Example:
        >>> model = build(backbone, 3)
        >>> [layer.name for layer in model.layers if layer.name.endswith("_route")]
        ['stage1_block1_route']
    """
    routed = routing.add_routing(backbone, policy_temperature=policy_temperature)
    return classifier.add_head(routed, num_classes)
