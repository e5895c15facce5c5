"""Dense layer with two sets of units over one input: frozen and tuned."""

import keras
from keras import ops

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedDense(keras.layers.Layer):
    """Computes the frozen and the tuned units, gated per image and unit.

    With S the frozen and F the tuned kernel and `g` the gates:

        y = activation(g * (x F + b_F) + (1 - g) * (x S + b_S))

    On feature maps this is a convolution of 1x1 (ConvNeXt's pointwise ones), and a unit
    is a filter; on [B, C] it may be part of squeeze-and-excitation. Called without
    gates it returns both branches, as `GatedConv2D` does.

    Call arguments:
        inputs: [B, ..., C].
        gates: [B, units] in {0, 1} (1 = tuned unit), or None.

    Returns:
        [B, ..., units]; without gates the pair (frozen branch, tuned branch), each
        without the activation.

    Args:
        units: Number of units in each set.
        activation: Applied to the blend.
        use_bias: As in `keras.layers.Dense`.

    Example:
        >>> layer = GatedDense(2)
        >>> layer.build((None, 1))
        >>> _ = layer.frozen_kernel.assign([[1.0, 2.0]])
        >>> _ = layer.tuned_kernel.assign([[10.0, 20.0]])
        >>> outputs = layer(np.ones((1, 1)), np.array([[1.0, 0.0]]))
        >>> keras.ops.convert_to_numpy(outputs).tolist()  # tuned, frozen
        [[10.0, 2.0]]
    """

    def __init__(self, units, activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, inputs_shape, gates_shape=None):
        """Creates both sets of units; the frozen one is not trainable."""
        kernel_shape = (inputs_shape[-1], self.units)
        branches.add_branches(self, "kernel", kernel_shape, "glorot_uniform")
        bias_shape = (self.units,) if self.use_bias else None
        branches.add_branches(self, "bias", bias_shape, "zeros")

    def call(self, inputs, gates=None):
        """Returns the blend of the branches, or both of them when gates is None."""
        frozen = self._multiply(inputs, self.frozen_kernel, self.frozen_bias)
        tuned = self._multiply(inputs, self.tuned_kernel, self.tuned_bias)
        if gates is None:
            return frozen, tuned
        return self.activation(branches.blend(frozen, tuned, gates))

    def compute_output_spec(self, inputs, gates=None):
        """Returns the shape and dtype of `call`'s result."""
        shape = (*inputs.shape[:-1], self.units)
        return branches.describe_outputs(self, shape, gates)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }

    def _multiply(self, inputs, kernel, bias):
        outputs = ops.matmul(inputs, kernel)
        return outputs if bias is None else ops.add(outputs, bias)
