"""Layer normalization with one set of affine terms per branch."""

import keras
from keras import ops

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedLayerNormalization(keras.layers.Layer):
    """Normalizes the frozen and the tuned branch separately, then gates them.

        y = g * LN_F(tuned) + (1 - g) * LN_S(frozen)

    Gated batch normalization (Guo et al. 2020, arXiv 1911.09659) with layer norms (Ba
    et al. 2016, arXiv 1607.06450) in the place of batch norms. A layer norm takes its
    statistics over the channels of one position; with separate branches, those of the
    frozen branch are of frozen filters alone.

    The layer normalizes in float32, or in float64 where the dtype policy computes in
    it.

    Call arguments:
        frozen, tuned: [B, ..., N], the two branches; one tensor twice for a layer norm
            that follows no gated layer.
        gates: [B, N] in {0, 1}, 1 = tuned.

    Returns:
        [B, ..., N].

    Args:
        epsilon, center, scale: As in `keras.layers.LayerNormalization`; the axis is the
            last one.

    Example:
        >>> layer = GatedLayerNormalization(epsilon=0.0)
        >>> frozen, tuned = np.array([[0.0, 2.0]]), np.array([[2.0, 0.0]])
        >>> outputs = layer(frozen, tuned, np.array([[1.0, 0.0]]))
        >>> keras.ops.convert_to_numpy(outputs).round(3).tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, epsilon=1e-3, center=True, scale=True, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def build(self, frozen_shape, tuned_shape=None, gates_shape=None):
        """Creates gamma and beta of each branch."""
        shape = (frozen_shape[-1],)
        gamma_shape = shape if self.scale else None
        branches.add_branches(self, "gamma", gamma_shape, "ones", autocast=False)
        beta_shape = shape if self.center else None
        branches.add_branches(self, "beta", beta_shape, "zeros", autocast=False)

    def call(self, frozen, tuned, gates):
        """Returns the normalized branch that each image's gates choose, per channel."""
        dtype = branches.statistics_dtype(self)
        frozen, tuned, gates = (ops.cast(x, dtype) for x in (frozen, tuned, gates))
        outputs = branches.blend(
            self._normalize(frozen, self.frozen_gamma, self.frozen_beta),
            self._normalize(tuned, self.tuned_gamma, self.tuned_beta),
            gates,
        )
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_spec(self, frozen, tuned, gates):
        """Returns the shape and dtype of `call`'s result."""
        return keras.KerasTensor(frozen.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }

    def _normalize(self, inputs, gamma, beta):
        gamma, beta = (
            None if weight is None else ops.cast(weight, inputs.dtype)
            for weight in (gamma, beta)
        )
        return ops.layer_normalization(
            inputs, gamma, beta, axis=-1, epsilon=self.epsilon
        )
