"""Which layers have a gated form, and which one."""

import keras

from adafilter_tf import errors, layers

# Exactly these: a subclass may compute something else.
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
BATCH_NORMS = (keras.layers.BatchNormalization,)
# Their weights are constants of the data, not learned features.
CONSTANT_LAYERS = (keras.layers.Normalization, keras.layers.Rescaling)


def check_convolution(layer: keras.Layer) -> None:
    """Checks that a convolution has a gated form.

    Raises:
        RunError: Naming the layer and what stands against it.
    """
    _check_channels_last(layer, layer.data_format == "channels_last")
    kernel = "depthwise" if type(layer) is keras.layers.DepthwiseConv2D else "kernel"
    _check_unconstrained(layer, kernel, "bias")


def check_batch_norm(layer: keras.layers.BatchNormalization) -> None:
    """Checks that a batch norm has a gated form.

    Raises:
        RunError: Naming the layer and what stands against it.
    """
    _check_channels_last(layer, layer.axis in (-1, len(layer.input.shape) - 1))
    _check_unconstrained(layer, "gamma", "beta")
    if layer.renorm:
        raise errors.RunError(
            f"Layer {layer.name!r} uses batch renormalization, which has no gated "
            "form; set gate_from to a layer after it."
        )


def _check_channels_last(layer: keras.Layer, channels_last: bool) -> None:
    if not channels_last:
        raise errors.RunError(
            f"Layer {layer.name!r} works on channels_first; gated networks are "
            "channels_last. Rebuild the backbone with data_format='channels_last'."
        )


def _check_unconstrained(layer: keras.Layer, *weights: str) -> None:
    names = [f"{w}_{kind}" for w in weights for kind in ("regularizer", "constraint")]
    for name in (*names, "activity_regularizer"):
        if getattr(layer, name, None) is not None:
            raise errors.RunError(
                f"Layer {layer.name!r} has a {name}, which its gated form would lose; "
                "remove it from the backbone and use --weight_decay."
            )


def convert_convolution(layer: keras.Layer) -> layers.GatedConv2D:
    """Returns the gated form of a convolution, without its weights."""
    return layers.GatedConv2D(
        filters=layer.output.shape[-1],
        kernel_size=layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=getattr(layer, "groups", 1),
        depthwise=isinstance(layer, keras.layers.DepthwiseConv2D),
        activation=layer.activation,
        use_bias=layer.use_bias,
        dtype=layer.dtype_policy,
        name=layer.name,
    )


def convert_batch_norm(
    layer: keras.layers.BatchNormalization, frozen_statistics: str
) -> layers.GatedBatchNormalization:
    """Returns the gated form of a batch norm, without its weights."""
    return layers.GatedBatchNormalization(
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
        synchronized=layer.synchronized,
        frozen_statistics=frozen_statistics,
        dtype=layer.dtype_policy,
        name=layer.name,
    )


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Copies all weights of a layer to another one of the same kind."""
    # A copy for each: JAX refuses to update weights that share memory.
    target.set_weights([weight.copy() for weight in source.get_weights()])
    if isinstance(target, keras.layers.Normalization):
        # It computes with tensors beside its weights, which set_weights leaves alone.
        target.finalize_state()
