"""Convolution with two filter banks over one input: frozen and tuned."""

import keras
from keras import ops

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedConv2D(keras.layers.Layer):
    """Convolves with the frozen and the tuned filters, gated per image and filter.

    With S the frozen and F the tuned filters and `g` the gates, broadcast over H and W:

        y = activation(g * (F conv x + b_F) + (1 - g) * (S conv x + b_S))

    Source: Guo et al. 2020, arXiv 1911.09659, filter selection. Called without gates
    it returns both branches for a `GatedBatchNormalization`, which then gates them.

    Call arguments:
        inputs: [B, H, W, C].
        gates: [B, N] in {0, 1} (1 = tuned filter), or None.

    Returns:
        [B, H', W', N]; without gates the pair (frozen branch, tuned branch), each
        [B, H', W', N] and without the activation.

    Args:
        filters: N, the number of filters in each bank.
        kernel_size, strides, padding, dilation_rate, groups, use_bias: As in
            `keras.layers.Conv2D`.
        depthwise: Each filter reads one channel, as `keras.layers.DepthwiseConv2D`
            does; N is then a multiple of C.
        activation: Applied to the blend.

    Raises:
        ValueError: When the channels do not fit `groups` or `depthwise`.

    Example:
        >>> layer = GatedConv2D(4, (3, 3))
        >>> images, gates = np.ones((2, 8, 8, 3)), np.zeros((2, 4))
        >>> tuple(layer(images, gates).shape)  # gates of 0: the frozen filters
        (2, 6, 6, 4)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=(1, 1),
        padding="valid",
        dilation_rate=(1, 1),
        groups=1,
        depthwise=False,
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
        self.groups = groups
        self.depthwise = depthwise
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, inputs_shape, gates_shape=None):
        """Creates both filter banks; the frozen one is not trainable."""
        for name, shape in self._kernel_shapes(inputs_shape[-1]).items():
            branches.add_branches(self, name, shape, "glorot_uniform")
        bias_shape = (self.filters,) if self.use_bias else None
        branches.add_branches(self, "bias", bias_shape, "zeros")

    def call(self, inputs, gates=None):
        """Returns the blend of the branches, or both of them when gates is None."""
        frozen, tuned = (self._convolve(inputs, name) for name in branches.BRANCHES)
        if gates is None:
            return frozen, tuned
        return self.activation(branches.blend(frozen, tuned, gates))

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
            "groups": self.groups,
            "depthwise": self.depthwise,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }

    def _kernel_shapes(self, channels):
        """Returns the shape of each kernel of a bank, by name."""
        return {"kernel": self._kernel_shape(channels)}

    def _kernel_shape(self, channels):
        if self.depthwise:
            if self.filters % channels:
                raise ValueError(
                    f"GatedConv2D {self.name!r}: a depthwise convolution over "
                    f"{channels} channels needs a multiple of them as filters; "
                    f"received filters={self.filters}."
                )
            return (*self.kernel_size, channels, self.filters // channels)
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"GatedConv2D {self.name!r}: groups must divide the channels and the "
                f"filters; received groups={self.groups}, {channels} channels and "
                f"filters={self.filters}."
            )
        return (*self.kernel_size, channels // self.groups, self.filters)

    def _convolve(self, inputs, branch):
        """Returns one branch's outputs, [B, H', W', N]."""
        kernel = getattr(self, f"{branch}_kernel")
        convolve = ops.depthwise_conv if self.depthwise else ops.conv
        one_channel_each = 1 < self.groups == inputs.shape[-1]
        if one_channel_each and len(set(self.strides)) == 1:
            # The same sums; on a CPU TensorFlow knows a grouped convolution only
            # compiled, anew at each eager call.
            kernel = ops.reshape(kernel, (*self.kernel_size, self.groups, -1))
            convolve = ops.depthwise_conv
        outputs = convolve(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format="channels_last",
        )
        return self._add_bias(outputs, branch)

    def _add_bias(self, outputs, branch):
        bias = getattr(self, f"{branch}_bias")
        return outputs if bias is None else ops.add(outputs, bias)
