"""Separable convolution with two filter banks over one input: frozen and tuned."""

import keras
from keras import ops

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedSeparableConv2D(keras.layers.Layer):
    """`GatedConv2D` whose filters are products of a depthwise and a pointwise part.

    Filter n of a bank is `depthwise[:, :, c, m] * pointwise[c, m, n]`. Each bank has
    both parts to itself, so an output channel with gate 0 is the pre-trained one
    whatever the tuned depthwise part has become:

        y = activation(g * (F conv x + b_F) + (1 - g) * (S conv x + b_S))

    Source: Guo et al. 2020, arXiv 1911.09659, filter selection; the paper has no
    separable convolutions. Called without gates it returns both branches.

    Call arguments:
        inputs: [B, H, W, C].
        gates: [B, N] in {0, 1} (1 = tuned filter), or None.

    Returns:
        [B, H', W', N]; without gates the pair (frozen branch, tuned branch), each
        [B, H', W', N] and without the activation.

    Args:
        filters: N, the number of filters in each bank.
        kernel_size, strides, padding, dilation_rate, depth_multiplier, use_bias: As in
            `keras.layers.SeparableConv2D`.
        activation: Applied to the blend.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        dilation_rate=(1, 1),
        depth_multiplier=1,
        activation=None,
        use_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.padding = padding
        self.dilation_rate = tuple(dilation_rate)
        self.depth_multiplier = depth_multiplier
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, inputs_shape, gates_shape=None):
        """Creates both filter banks; the frozen one is not trainable."""
        channels = inputs_shape[-1]
        for name, shape in (
            ("depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier)),
            (
                "pointwise_kernel",
                (1, 1, channels * self.depth_multiplier, self.filters),
            ),
        ):
            branches.add_branches(self, name, shape, "glorot_uniform")
        bias_shape = (self.filters,) if self.use_bias else None
        branches.add_branches(self, "bias", bias_shape, "zeros")

    def call(self, inputs, gates=None):
        """Returns the blend of the branches, or both of them when gates is None."""
        frozen, tuned = (self._convolve(inputs, name) for name in branches.BRANCHES)
        if gates is None:
            return frozen, tuned
        return self.activation(branches.choose(frozen, tuned, gates))

    def compute_output_spec(self, inputs, gates=None):
        """Returns the shape and dtype of `call`'s result."""
        shape = ops.conv(
            keras.KerasTensor(inputs.shape),
            keras.KerasTensor((*self.kernel_size, inputs.shape[-1], self.filters)),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        ).shape
        return branches.describe_outputs(self, shape, gates)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "depth_multiplier": self.depth_multiplier,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }

    def _convolve(self, inputs, branch):
        outputs = ops.separable_conv(
            inputs,
            getattr(self, f"{branch}_depthwise_kernel"),
            getattr(self, f"{branch}_pointwise_kernel"),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        )
        bias = getattr(self, f"{branch}_bias")
        return outputs if bias is None else outputs + bias
