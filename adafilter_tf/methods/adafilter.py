"""AdaFilter (Guo, Li, Wang and Rosing, AAAI 2020, arXiv 1911.09659)."""

import keras

from adafilter_tf.models import classifier, gate_options, gating, settled_gates
from adafilter_tf.optim import stages


def build(
    backbone: keras.Model,
    num_classes: int,
    options: gate_options.GateOptions | None = None,
    **changes,
) -> keras.Model:
    """Returns a classifier whose images choose between frozen and tuned filters.

    Args:
        backbone: Functional model, [B, H, W, C] to feature maps or features.
        num_classes: K.
        options: How to gate; None for the defaults of `GateOptions`.
        **changes: Fields of `GateOptions` that replace those of `options`.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Raises:
        RunError: When `add_gates` cannot gate the backbone.
        UsageError: When `GateOptions` refuses a value.

    Example:
        >>> model = build(backbone, 3, gate_policy="soft")
        >>> tuple(model.output.shape)
        (None, 3)
    """
    gated = gating.add_gates(backbone, options, **changes)
    return classifier.add_head(gated, num_classes)


def finish(model: keras.Model, ending: stages.Ending) -> dict:
    """Chooses the gates of inference; see `settled_gates.settle_best`.

    Returns:
        `inference_gates`, the name of the choice; nothing where they are each image's
        own, as the paper's.
    """
    chosen = settled_gates.settle_best(
        model, ending.list_training_gates, ending.measure
    )
    return {} if chosen is None else {"inference_gates": chosen}
