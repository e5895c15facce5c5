"""Separable convolution with two filter banks over one input: frozen and tuned."""

import keras
from keras import ops

from adafilter_tf.layers.gated_conv import GatedConv2D


@keras.saving.register_keras_serializable("adafilter_tf")
class GatedSeparableConv2D(GatedConv2D):
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
        kernel_size, depth_multiplier: As in `keras.layers.SeparableConv2D`.
        **kwargs: `strides`, `padding`, `dilation_rate`, `activation` and `use_bias`, as
            in `GatedConv2D`.

    Example:
        >>> layer = GatedSeparableConv2D(8, (3, 3))
        >>> tuple(layer(np.zeros((2, 6, 6, 3)), np.ones((2, 8))).shape)
        (2, 4, 4, 8)
    """

    def __init__(self, filters, kernel_size, depth_multiplier=1, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.depth_multiplier = depth_multiplier

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        config = {**super().get_config(), "depth_multiplier": self.depth_multiplier}
        # A separable convolution has neither.
        del config["groups"], config["depthwise"]
        return config

    def _kernel_shapes(self, channels):
        products = channels * self.depth_multiplier
        return {
            "depthwise_kernel": (*self.kernel_size, channels, self.depth_multiplier),
            "pointwise_kernel": (1, 1, products, self.filters),
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
        return self._add_bias(outputs, branch)
