"""The gate of a filter. Gate 1 picks the tuned filter, gate 0 the frozen one."""

import keras
from keras import ops

GATE_POLICIES = ("learned", "sampled", "soft", "random", "all_tuned", "all_frozen")
LEARNED_POLICIES = ("learned", "sampled", "soft")
_DRAWING_POLICIES = ("sampled", "random")


def hard_gate(probabilities):
    """Returns 0/1 gates that pass their gradient straight through.

    Forward `g = 1[p > 0.5]`, backward `dg/dp = 1` (Guo et al. 2020, arXiv 1911.09659;
    straight-through estimator of Bengio et al. 2013, arXiv 1308.3432).

    Args:
        probabilities: Floating tensor of any shape, values in [0, 1].

    Returns:
        A tensor of the same shape and dtype, holding exactly 0 and 1.
    """
    return _pass_gradient(
        ops.cast(probabilities > 0.5, probabilities.dtype), probabilities
    )


def _pass_gradient(gates, probabilities):
    """Returns gates whose gradient is that of the probabilities."""
    # p - stop_gradient(p) is exactly 0, so the sum stays exactly 0 or 1.
    return gates + (probabilities - ops.stop_gradient(probabilities))


@keras.saving.register_keras_serializable("adafilter_tf")
class FilterGate(keras.layers.Layer):
    """Turns the probability that a filter is tuned into its gate.

    Call arguments:
        probabilities: [B, N], values in [0, 1].
        training: Whether "sampled" and "random" draw.

    Returns:
        [B, N] gates: 1 picks the tuned filter, 0 the frozen one, and a value between
        them blends the two.

    Args:
        policy: "learned" thresholds the probabilities at 0.5 (`hard_gate`), as the
            paper does. "sampled" draws 0 or 1 by the probabilities in training, for
            each image and filter, with the gradient passed straight through, and is
            the draw's mean, the probability, at inference, as in dropout (ours; see
            docs/experiments.md). "soft" is the probability itself. "random" is
            "sampled" with equal chances in the place of the probabilities.
            "all_tuned" is 1 and "all_frozen" 0 for every image and filter.
        tuned_penalty: Added to the loss in training, times the mean of the gates over
            images and filters.
        seed: Of the draws; None draws one from Keras' global seed.

    Raises:
        ValueError: When the policy is unknown.
    """

    def __init__(self, policy="learned", tuned_penalty=0.0, seed=None, **kwargs):
        # Half precision would move the threshold.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if policy not in GATE_POLICIES:
            raise ValueError(
                f"Received gate policy {policy!r}; allowed are "
                f"{', '.join(GATE_POLICIES)}."
            )
        self.policy = policy
        self.tuned_penalty = tuned_penalty
        self.seed = seed
        if policy in _DRAWING_POLICIES:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, probabilities, training=None):
        """Returns the gates [B, N]."""
        gates = self._choose(probabilities, training)
        if training and self.tuned_penalty:
            self.add_loss(self.tuned_penalty * ops.mean(gates))
        return gates

    def _choose(self, probabilities, training):
        if self.policy == "learned":
            return hard_gate(probabilities)
        if self.policy == "soft":
            return probabilities
        if self.policy == "all_tuned":
            return ops.ones_like(probabilities)
        if self.policy == "all_frozen":
            return ops.zeros_like(probabilities)
        if self.policy == "random":
            probabilities = ops.full_like(probabilities, 0.5)
        if not training:
            return probabilities
        uniform = keras.random.uniform(
            ops.shape(probabilities), dtype=self.compute_dtype, seed=self.seed_generator
        )
        drawn = ops.cast(uniform < probabilities, self.compute_dtype)
        return _pass_gradient(drawn, probabilities)

    def compute_output_spec(self, probabilities, training=None):
        """Returns the shape and dtype of the gates."""
        return keras.KerasTensor(probabilities.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "policy": self.policy,
            "tuned_penalty": self.tuned_penalty,
            "seed": self.seed,
        }
