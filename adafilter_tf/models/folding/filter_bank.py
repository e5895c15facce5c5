"""The numbers of one filter bank, and what a fold does with them.

All of it is exact but for rounding: sums and products of weights, in float64.
"""

import dataclasses

import keras
import numpy as np
from keras.src.applications import convnext

from adafilter_tf import layers

PLAIN_FILTERS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
GATED_FILTERS = (layers.GatedConv2D, layers.GatedSeparableConv2D, layers.GatedDense)
PLAIN_AFFINE = (keras.layers.BatchNormalization, convnext.LayerScale)
GATED_AFFINE = (layers.GatedBatchNormalization, layers.GatedScale)
# The last factor decides the channel.
_KERNELS = ("depthwise_kernel", "kernel", "pointwise_kernel")


@dataclasses.dataclass(frozen=True, eq=False)
class Bank:
    """The filters of a layer or of one of its branches.

    Attributes:
        kernels: By name as in the layer, float64; the last one's last axis, or its last
            two where each filter reads one channel, are the filters'.
        bias: float64 [N], or a number where the layer has none.
        depthwise: Whether the filters lie on the last two axes.
    """

    kernels: dict
    bias: np.ndarray | float
    depthwise: bool = False

    @property
    def count(self) -> int:
        """N."""
        shape = list(self.kernels.values())[-1].shape
        return shape[-2] * shape[-1] if self.depthwise else shape[-1]

    @property
    def filled_bias(self):
        """The bias as an array [N]."""
        return _fill(self.bias, self.count)

    def scale(self, scale, offset=0.0) -> "Bank":
        """Returns the bank whose outputs are `scale * y + offset`, each [N]."""
        name, kernel = list(self.kernels.items())[-1]
        factor = scale.reshape(kernel.shape[-2:]) if self.depthwise else scale
        kernels = {**self.kernels, name: kernel * factor}
        return dataclasses.replace(
            self, kernels=kernels, bias=self.bias * scale + offset
        )

    def blend(self, other: "Bank", gates) -> "Bank":
        """Returns `gates * other + (1 - gates) * self`, gates [N].

        Only of banks with one kernel: a product of two does not blend.
        """
        first, second = self.scale(1 - gates), other.scale(gates)
        ((name, kernel),) = first.kernels.items()
        return dataclasses.replace(
            self,
            kernels={name: kernel + second.kernels[name]},
            bias=first.bias + second.bias,
        )

    def subtract(self, other: "Bank") -> "Bank":
        """Returns the bank of the differences; of banks with one kernel."""
        ((name, kernel),) = self.kernels.items()
        return dataclasses.replace(
            self,
            kernels={name: kernel - other.kernels[name]},
            bias=self.bias - other.bias,
        )

    def take(self, filters) -> "Bank":
        """Returns some of the filters; of banks that are not depthwise."""
        name, kernel = list(self.kernels.items())[-1]
        bias = self.bias[filters] if isinstance(self.bias, np.ndarray) else self.bias
        kernels = {**self.kernels, name: kernel[..., filters]}
        return dataclasses.replace(self, kernels=kernels, bias=bias)


def read_bank(layer: keras.Layer, branch: str | None = None) -> Bank:
    """Returns the filters of a layer, or of a gated layer's "frozen" or "tuned" branch.

    A kernel with a change of low rank (`enable_lora`) is read with it.
    """
    prefix = f"{branch}_" if branch else ""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) or getattr(
        layer, "depthwise", False
    )
    names = ["kernel"] if depthwise else _KERNELS
    # The kernel of Keras' depthwise convolution has both names.
    kernels = {
        name: to_array(getattr(layer, prefix + name))
        for name in names
        if getattr(layer, prefix + name, None) is not None
    }
    bias = getattr(layer, f"{prefix}bias", None)
    return Bank(kernels, 0.0 if bias is None else to_array(bias), depthwise)


def read_affine(layer: keras.Layer, branch: str | None = None) -> tuple:
    """Returns scale and offset [N] of a batch norm at inference or of a layer scale."""
    prefix = f"{branch}_" if branch else ""

    def read(name, default):
        weight = getattr(layer, prefix + name, None)
        return default if weight is None else to_array(weight)

    gamma = read("gamma", 1.0)
    if not hasattr(layer, "epsilon"):
        return gamma, 0.0
    scale = gamma * (read("moving_variance", None) + layer.epsilon) ** -0.5
    return scale, read("beta", 0.0) - read("moving_mean", None) * scale


def blend_affine(layer: keras.Layer, gates) -> tuple:
    """Returns scale and offset of a gated batch norm or layer scale, gates [N]."""
    frozen, tuned = (read_affine(layer, branch) for branch in ("frozen", "tuned"))
    return tuple(
        gates * of_tuned + (1 - gates) * of_frozen
        for of_frozen, of_tuned in zip(frozen, tuned, strict=True)
    )


def create_filters(source: keras.Layer, bank: Bank, inputs, **options):
    """Returns a built Keras layer of a bank that reads as a layer does.

    Args:
        source: Layer of `PLAIN_FILTERS` or `GATED_FILTERS`; gives strides, padding and
            dtype.
        bank: Its filters; not more kernels than `source` has.
        inputs: What it will read.
        **options: Further arguments, such as `name` and `activation`.
    """
    options = {"dtype": source.dtype_policy, "use_bias": True, **options}
    if isinstance(source, keras.layers.Dense | layers.GatedDense):
        layer = keras.layers.Dense(bank.count, **options)
    else:
        options |= {
            "kernel_size": source.kernel_size,
            "strides": source.strides,
            "padding": source.padding,
            "dilation_rate": source.dilation_rate,
            "data_format": getattr(source, "data_format", "channels_last"),
        }
        if "pointwise_kernel" in bank.kernels:
            multiplier = bank.kernels["depthwise_kernel"].shape[-1]
            layer = keras.layers.SeparableConv2D(
                bank.count, depth_multiplier=multiplier, **options
            )
        elif bank.depthwise:
            multiplier = bank.kernels["kernel"].shape[-1]
            layer = keras.layers.DepthwiseConv2D(depth_multiplier=multiplier, **options)
        else:
            groups = getattr(source, "groups", 1)
            layer = keras.layers.Conv2D(bank.count, groups=groups, **options)
    layer.build(inputs.shape)
    layer.set_weights([*bank.kernels.values(), bank.filled_bias])
    return layer


def create_folded_convolution(
    source: layers.GatedConv2D, bank: Bank, difference: Bank, inputs, dependent
) -> layers.FoldedConv2D:
    """Returns a built convolution of which each image changes some filters.

    Args:
        source: Gives strides, padding, activation, name and dtype.
        bank: The filters for gates of 0.
        difference: Of as many filters, tuned minus frozen.
        inputs: What the layer will read.
        dependent: The filters that depend on the image.
    """
    layer = layers.FoldedConv2D(
        bank.count,
        source.kernel_size,
        dependent,
        strides=source.strides,
        padding=source.padding,
        dilation_rate=source.dilation_rate,
        activation=source.activation,
        dtype=source.dtype_policy,
        name=source.name,
    )
    layer.build(inputs.shape)
    layer.set_weights(
        [
            *(*bank.kernels.values(), bank.filled_bias),
            *(*difference.kernels.values(), difference.filled_bias),
        ]
    )
    return layer


def create_affine(source: keras.Layer, scale, offset, inputs) -> keras.Layer:
    """Returns a built layer `scale * x + offset` in the place of a gated norm."""
    options = {"dtype": source.dtype_policy, "name": source.name}
    if isinstance(source, layers.GatedScale):
        layer = convnext.LayerScale(1.0, len(scale), **options)
        values = [scale]
    else:
        layer = keras.layers.BatchNormalization(epsilon=source.epsilon, **options)
        none = _fill(0.0, len(scale))
        # The variance that makes the layer's own scale 1.
        values = [scale, _fill(offset, len(scale)), none, none + 1 - source.epsilon]
    layer.build(inputs.shape)
    layer.set_weights(values)
    return layer


def create_layer_norm(source: keras.Layer, gates, inputs) -> keras.Layer:
    """Returns the layer norm of a gated one whose gates are constants [N]."""
    layer = keras.layers.LayerNormalization(
        epsilon=source.epsilon,
        center=source.center,
        scale=source.scale,
        dtype=source.dtype_policy,
        name=source.name,
    )
    layer.build(inputs.shape)
    for name in ("gamma", "beta"):
        frozen, tuned = (getattr(source, f"{of}_{name}") for of in ("frozen", "tuned"))
        if frozen is not None:
            value = gates * to_array(tuned) + (1 - gates) * to_array(frozen)
            getattr(layer, name).assign(value)
    return layer


def to_array(weight):
    """Returns a weight as an array of float64."""
    return keras.ops.convert_to_numpy(weight).astype("float64")


def _fill(value, count: int):
    if hasattr(value, "shape") and value.shape:
        return value
    return keras.ops.convert_to_numpy(keras.ops.full((count,), value, "float32"))
