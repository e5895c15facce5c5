"""AdaFilter (Guo, Li, Wang and Rosing, AAAI 2020, arXiv 1911.09659)."""

import keras

from adafilter_tf import errors
from adafilter_tf.models import classifier, gating


def build(
    backbone: keras.Model,
    num_classes: int,
    *,
    gate_from: str | None = None,
    gate_units: int = 64,
    gate_initial_bias: float = 0.0,
    gate_temperature: float = 1.0,
    gate_policy: str = "learned",
    gate_network: str = "recurrent",
    gated_batch_norm: bool = True,
    frozen_statistics: str = "fixed",
    gate_noise: float = 0.0,
    tuned_penalty: float = 0.0,
    dependence_penalty: float = 0.0,
) -> keras.Model:
    """Returns a classifier whose images choose between frozen and tuned filters.

    Args:
        backbone: Functional model, [B, H, W, C] to feature maps or features.
        num_classes: K.
        gate_from: First layer to gate, by the start of its name; None gates all.
        gate_units: Width of the gate network.
        gate_initial_bias: 0 starts undecided, above 0 tuned, below 0 frozen.
        gate_temperature: Divides the gates' logits.
        gate_policy: "learned"; the ablations "soft", "random", "all_tuned" and
            "all_frozen" (see `layers.FilterGate`).
        gate_network: "recurrent", or the ablation "feedforward".
        gated_batch_norm: False is the ablation with one plain batch norm.
        frozen_statistics: "fixed" or "adapting" batch statistics of the frozen filters.
        gate_noise: Share of the gates that are drawn in training (likewise).
        tuned_penalty: Added to the loss, times the share of tuned filters.
        dependence_penalty: Likewise, times how much the choices of a batch differ.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Raises:
        UsageError: When `frozen_statistics` would have no effect.
    """
    if frozen_statistics != "fixed" and not gated_batch_norm:
        raise errors.UsageError(
            f"Received --frozen_statistics={frozen_statistics} with "
            "--nogated_batch_norm; one plain batch norm has no statistics of the "
            "frozen filters. Remove one of the two."
        )
    gated = gating.add_gates(
        backbone,
        gate_from=gate_from,
        gate_units=gate_units,
        gate_initial_bias=gate_initial_bias,
        gate_temperature=gate_temperature,
        gate_policy=gate_policy,
        gate_network=gate_network,
        gated_batch_norm=gated_batch_norm,
        frozen_statistics=frozen_statistics,
        gate_noise=gate_noise,
        tuned_penalty=tuned_penalty,
        dependence_penalty=dependence_penalty,
    )
    return classifier.add_head(gated, num_classes)
