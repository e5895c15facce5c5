"""The hard gate of a filter. Gate 1 picks the tuned filter, gate 0 the frozen one."""

import keras
from keras import ops

GATE_POLICIES = ("learned", "all_tuned", "all_frozen")


def hard_gate(probabilities):
    """Returns 0/1 gates that pass their gradient straight through.

    Forward `g = 1[p > 0.5]`, backward `dg/dp = 1` (Guo et al. 2020, arXiv 1911.09659;
    straight-through estimator of Bengio et al. 2013, arXiv 1308.3432).

    Args:
        probabilities: Floating tensor of any shape, values in [0, 1].

    Returns:
        A tensor of the same shape and dtype, holding exactly 0 and 1.
    """
    hard = ops.cast(probabilities > 0.5, probabilities.dtype)
    # p - stop_gradient(p) is exactly 0, so the sum stays exactly 0 or 1.
    return hard + (probabilities - ops.stop_gradient(probabilities))


@keras.saving.register_keras_serializable("adafilter_tf")
class FilterGate(keras.layers.Layer):
    """Turns the probability that a filter is tuned into a gate of 0 or 1.

    Call arguments:
        probabilities: [B, N], values in [0, 1].

    Returns:
        [B, N] gates in {0, 1}: 1 picks the tuned filter, 0 the frozen one.

    Args:
        policy: "learned" thresholds the probabilities at 0.5 (`hard_gate`);
            "all_tuned" gives 1 and "all_frozen" gives 0 for every image and filter.

    Raises:
        ValueError: When the policy is unknown.
    """

    def __init__(self, policy="learned", **kwargs):
        # Half precision would move the threshold.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if policy not in GATE_POLICIES:
            raise ValueError(
                f"Received gate policy {policy!r}; allowed are "
                f"{', '.join(GATE_POLICIES)}."
            )
        self.policy = policy

    def call(self, probabilities):
        """Returns the gates [B, N]."""
        if self.policy == "all_tuned":
            return ops.ones_like(probabilities)
        if self.policy == "all_frozen":
            return ops.zeros_like(probabilities)
        return hard_gate(probabilities)

    def compute_output_spec(self, probabilities):
        """Returns the shape and dtype of the gates."""
        return keras.KerasTensor(probabilities.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "policy": self.policy}
