"""Batch normalization with one set of statistics and affine terms per branch."""

import keras
from keras import ops

from adafilter_tf.layers import batch_moments, branches

FROZEN_STATISTICS = ("fixed", "adapting")


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedBatchNormalization(keras.layers.Layer):
    """Normalizes the frozen and the tuned branch separately, then gates them.

        y = g * BN_F(tuned) + (1 - g) * BN_S(frozen)

    Source: Guo et al. 2020, arXiv 1911.09659, gated batch normalization. Each BN is an
    affine map per channel, so the two maps and the choice are folded into one multiply
    of each branch and one sum: `y = tuned * a + frozen * b + c` with a, b and c [B, N].

    In training the tuned branch is normalized by the batch's statistics, taken over all
    images and not just those that chose it: with all gates 1 this is the ordinary batch
    norm of fine-tuning. The frozen branch's gamma and beta never change.

    Call arguments:
        frozen, tuned: [B, H, W, N] or [B, N], the two branches; one tensor twice for a
            batch norm that follows no gated layer.
        gates: [B, N] in {0, 1}, 1 = tuned.
        training: Whether batch statistics are used; a layer with `trainable=False` uses
            the moving ones.

    Returns:
        Of the shape of `frozen`.

    Args:
        momentum, epsilon, center, scale, synchronized: As in
            `keras.layers.BatchNormalization`.
        frozen_statistics: "fixed" normalizes the frozen branch by its pre-trained
            moving statistics, so that gates of 0 give the pre-trained features even in
            training; "adapting" treats them as the tuned branch's.

    Raises:
        ValueError: When `frozen_statistics` is unknown.

    Example:
        >>> layer = GatedBatchNormalization(epsilon=0.0)
        >>> frozen, tuned = np.zeros((1, 2)), np.ones((1, 2))
        >>> outputs = layer(frozen, tuned, np.array([[1.0, 0.0]]))
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[1.0, 0.0]]
    """

    def __init__(
        self,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        synchronized=False,
        frozen_statistics="fixed",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if frozen_statistics not in FROZEN_STATISTICS:
            raise ValueError(
                f"Received frozen_statistics={frozen_statistics!r}; allowed are "
                f"{', '.join(FROZEN_STATISTICS)}."
            )
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.synchronized = synchronized
        self.frozen_statistics = frozen_statistics

    def build(self, frozen_shape, tuned_shape=None, gates_shape=None):
        """Creates gamma, beta and the moving statistics of each branch."""
        shape = (frozen_shape[-1],)
        for branch, trainable in (("frozen", False), ("tuned", True)):
            for name, initializer, learned, used in (
                ("gamma", "ones", True, self.scale),
                ("beta", "zeros", True, self.center),
                ("moving_mean", "zeros", False, True),
                ("moving_variance", "ones", False, True),
            ):
                weight = None
                if used:
                    weight = self.add_weight(
                        name=f"{branch}_{name}",
                        shape=shape,
                        initializer=initializer,
                        trainable=trainable and learned,
                        autocast=False,
                    )
                setattr(self, f"{branch}_{name}", weight)

    def call(self, frozen, tuned, gates, training=None):
        """Returns the normalized branch that each image's gates choose, per channel."""
        training = bool(training) and self.trainable
        dtype = branches.statistics_dtype(self)
        frozen, tuned, gates = (ops.cast(x, dtype) for x in (frozen, tuned, gates))
        gates = branches.expand_gates(gates, len(frozen.shape))  # [B, 1, 1, N]
        adapting = training and self.frozen_statistics == "adapting"
        frozen_scale, frozen_offset = self._affine("frozen", frozen, adapting)
        tuned_scale, tuned_offset = self._affine("tuned", tuned, training)
        outputs = (
            tuned * (gates * tuned_scale)
            + frozen * ((1 - gates) * frozen_scale)
            + (gates * tuned_offset + (1 - gates) * frozen_offset)
        )
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_spec(self, frozen, tuned, gates, training=None):
        """Returns the shape and dtype of `call`'s result."""
        return keras.KerasTensor(frozen.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "synchronized": self.synchronized,
            "frozen_statistics": self.frozen_statistics,
        }

    def _affine(self, branch, inputs, use_batch_statistics):
        """Returns scale [N] and offset [N] of one branch's batch norm."""
        moving = [getattr(self, f"{branch}_moving_{x}") for x in ("mean", "variance")]
        mean, variance = (ops.cast(x, inputs.dtype) for x in moving)
        if use_batch_statistics:
            means = mean, variance
            mean, variance = self._moments(inputs)
            for variable, old, batch in zip(
                moving, means, (mean, variance), strict=True
            ):
                new = old * self.momentum
                new = new + ops.stop_gradient(batch) * (1 - self.momentum)
                variable.assign(ops.cast(new, variable.dtype))
        scale = ops.rsqrt(variance + self.epsilon)
        gamma = getattr(self, f"{branch}_gamma")
        if gamma is not None:
            scale = scale * ops.cast(gamma, inputs.dtype)
        offset = -mean * scale
        beta = getattr(self, f"{branch}_beta")
        if beta is not None:
            offset = offset + ops.cast(beta, inputs.dtype)
        return scale, offset

    def _moments(self, inputs):
        if self.synchronized:
            axes = tuple(range(len(inputs.shape) - 1))
            return ops.moments(inputs, axes=axes, synchronized=True)
        return ops.unstack(batch_moments.batch_moments(inputs))
