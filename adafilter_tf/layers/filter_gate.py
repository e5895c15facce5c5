"""The gate of a filter. Gate 1 picks the tuned filter, gate 0 the frozen one."""

import keras
from keras import ops

GATE_POLICIES = ("learned", "soft", "random", "all_tuned", "all_frozen")
LEARNED_POLICIES = ("learned", "soft")
INFERENCE_GATES = ("own", "mean", "majority", "auto")


def hard_gate(probabilities):
    """Returns 0/1 gates that pass their gradient straight through.

    Forward `g = 1[p > 0.5]`, backward `dg/dp = 1` (Guo et al. 2020, arXiv 1911.09659;
    straight-through estimator of Bengio et al. 2013, arXiv 1308.3432).

    Args:
        probabilities: Floating tensor of any shape, values in [0, 1].

    Returns:
        A tensor of the same shape and dtype, holding exactly 0 and 1.

    Example:
        >>> keras.ops.convert_to_numpy(hard_gate(np.array([0.2, 0.7]))).tolist()
        [0.0, 1.0]
    """
    hard = ops.cast(probabilities > 0.5, probabilities.dtype)
    return _pass_gradient(hard, probabilities)


def _pass_gradient(gates, means):
    """Returns the gates, with the gradient of their means."""
    # x - stop_gradient(x) is exactly 0, so gates of 0 and 1 stay exactly so.
    return gates + (means - ops.stop_gradient(means))


@keras.saving.register_keras_serializable("adafilter_tf")
class FilterGate(keras.layers.Layer):
    """Turns the probability that a filter is tuned into its gate.

    Call arguments:
        probabilities: [B, N], values in [0, 1].
        training: Whether gates are sampled and penalties added.

    Returns:
        [B, N] gates: 1 picks the tuned filter, 0 the frozen one, and a value between
        them blends the two.

    Args:
        policy: "learned" thresholds the probabilities at 0.5 (`hard_gate`), as the
            paper does. Its ablations: "soft" is the probability itself; "random" is
            "learned" with a noise of 1; "all_tuned" is 1 and "all_frozen" 0 for every
            image and filter.
        noise: In training, the fraction of the gates of "learned" and "soft" that are
            sampled, 0 or 1 with equal probability, for each image and filter. At
            inference each gate is its mean in training, as in dropout:
            `(1 - noise) * g + noise / 2`. 0 is the paper's; the noise is ours, see
            docs/experiments.md.
        tuned_penalty: Added to the loss in training, times the mean of the gates over
            images and filters.
        dependence_penalty: Added to the loss in training, times the mean over filters
            of `4 * m * (1 - m)` with m a filter's mean gate over the batch: 0 for a
            gate that is the same for all images, 1 for one that halves them. Ours: a
            gate that does not depend on the image costs nothing at inference, see
            docs/folding.md.
        seed: Seed of the samples; None takes one from Keras' global seed.
        inference: Which gates an image has at inference, once `settle` has set them:
            "own" are the image's, always. With "mean", "majority" or "auto" the layer
            has a place for constant ones, which stand for all images. Ours: see
            `models.settled_gates`.

    Raises:
        ValueError: When the policy or the inference is unknown or the noise is not a
            fraction.

    Example:
        >>> gate = FilterGate("learned")
        >>> keras.ops.convert_to_numpy(gate(np.array([[0.2, 0.7]]))).tolist()
        [[0.0, 1.0]]
    """

    def __init__(
        self,
        policy,
        noise=0.0,
        tuned_penalty=0.0,
        dependence_penalty=0.0,
        seed=None,
        inference="own",
        **kwargs,
    ):
        # Half precision would move the threshold.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if policy not in GATE_POLICIES:
            raise ValueError(
                f"Received gate policy {policy!r}; allowed are "
                f"{', '.join(GATE_POLICIES)}."
            )
        if not 0.0 <= noise <= 1.0:
            raise ValueError(f"Received noise={noise}; allowed is 0 to 1.")
        if inference not in INFERENCE_GATES:
            raise ValueError(
                f"Received inference={inference!r}; allowed are "
                f"{', '.join(INFERENCE_GATES)}."
            )
        self.inference = inference
        self.policy = policy
        self.noise = noise
        self.tuned_penalty = tuned_penalty
        self.dependence_penalty = dependence_penalty
        self.seed = seed
        if policy == "random" or (policy in LEARNED_POLICIES and noise):
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, probabilities_shape):
        """Creates the place of settled gates, if the layer may have them."""
        if self.inference != "own":
            options = {"initializer": "zeros", "trainable": False, "autocast": False}
            shape = (probabilities_shape[-1],)
            self.settled = self.add_weight(name="settled", shape=shape, **options)
            self.is_settled = self.add_weight(name="is_settled", shape=(), **options)

    def settle(self, gates=None) -> None:
        """Gives all images the same gates at inference; None gives them their own.

        Args:
            gates: [N] in 0..1.

        Raises:
            ValueError: The layer has `inference="own"`.
        """
        if self.inference == "own":
            raise ValueError(f"{self.name} has the gates of each image alone.")
        self.is_settled.assign(0.0 if gates is None else 1.0)
        if gates is not None:
            self.settled.assign(gates)

    def read_settled(self):
        """Returns the gates [N] that all images have at inference, None without."""
        if self.inference == "own" or not float(self.is_settled):
            return None
        return ops.convert_to_numpy(self.settled)

    def call(self, probabilities, training=None):
        """Returns the gates [B, N]."""
        gates = self._choose(probabilities, training)
        if self.inference != "own" and not training:
            gates = ops.where(self.is_settled > 0, self.settled + 0 * gates, gates)
        if training and self.tuned_penalty:
            self.add_loss(self.tuned_penalty * ops.mean(gates))
        if training and self.dependence_penalty:
            means = ops.mean(gates, axis=0)
            dependence = ops.mean(4 * means * (1 - means))
            self.add_loss(self.dependence_penalty * dependence)
        return gates

    def _choose(self, probabilities, training):
        if self.policy == "all_tuned":
            return ops.ones_like(probabilities)
        if self.policy == "all_frozen":
            return ops.zeros_like(probabilities)
        if self.policy == "random":
            means = ops.full_like(probabilities, 0.5)
        else:
            soft = self.policy == "soft"
            means = probabilities if soft else hard_gate(probabilities)
            if not self.noise:
                return means
            means = means + self.noise * (0.5 - means)
        if not training:
            return means
        sampled = keras.random.uniform(
            ops.shape(means), dtype=self.compute_dtype, seed=self.seed_generator
        )
        # The probability that a sampled or a learned gate is 1.
        return _pass_gradient(ops.cast(sampled < means, self.compute_dtype), means)

    def compute_output_spec(self, probabilities, training=None):
        """Returns the shape and dtype of the gates."""
        return keras.KerasTensor(probabilities.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "policy": self.policy,
            "noise": self.noise,
            "tuned_penalty": self.tuned_penalty,
            "dependence_penalty": self.dependence_penalty,
            "seed": self.seed,
            "inference": self.inference,
        }
