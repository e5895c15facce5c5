"""Layer scale with one factor per channel and branch."""

import keras

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedScale(keras.layers.Layer):
    """Scales the frozen and the tuned branch separately, then gates them.

        y = g * gamma_F * tuned + (1 - g) * gamma_S * frozen

    The gated form of ConvNeXt's layer scale (Touvron et al. 2021, arXiv 2103.17239).

    Call arguments:
        frozen, tuned: [B, ..., N], the two branches; one tensor twice for a scale that
            follows no gated layer.
        gates: [B, N] in {0, 1}, 1 = tuned.

    Returns:
        [B, ..., N].

    Example:
        >>> frozen, tuned = np.zeros((1, 2)), np.ones((1, 2))
        >>> outputs = GatedScale()(frozen, tuned, np.array([[1.0, 0.0]]))
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[1.0, 0.0]]
    """

    def build(self, frozen_shape, tuned_shape=None, gates_shape=None):
        """Creates gamma of each branch."""
        branches.add_branches(self, "gamma", (frozen_shape[-1],), "ones")

    def call(self, frozen, tuned, gates):
        """Returns the scaled branch that each image's gates choose, per channel."""
        return branches.blend(
            self.frozen_gamma * frozen, self.tuned_gamma * tuned, gates
        )

    def compute_output_spec(self, frozen, tuned, gates):
        """Returns the shape and dtype of `call`'s result."""
        return keras.KerasTensor(frozen.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return super().get_config()
