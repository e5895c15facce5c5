"""AdaFilter (Guo, Li, Wang and Rosing, AAAI 2020, arXiv 1911.09659)."""

import keras

from adafilter_tf.models import classifier, gating


def build(
    backbone: keras.Model,
    num_classes: int,
    *,
    gate_from: str | None = None,
    gate_units: int = 64,
    gate_initial_bias: float = 0.0,
    frozen_statistics: str = "fixed",
) -> keras.Model:
    """Returns a classifier whose images choose between frozen and tuned filters.

    Args:
        backbone: Functional model, [B, H, W, C] to feature maps or features.
        num_classes: K.
        gate_from: First layer to gate, by the start of its name; None gates all.
        gate_units: Width of the recurrent cell.
        gate_initial_bias: 0 starts undecided, above 0 tuned, below 0 frozen.
        frozen_statistics: "fixed" or "adapting" batch statistics of the frozen filters.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].
    """
    gated = gating.add_gates(
        backbone,
        gate_from=gate_from,
        gate_units=gate_units,
        gate_initial_bias=gate_initial_bias,
        frozen_statistics=frozen_statistics,
    )
    return classifier.add_head(gated, num_classes)
