"""Which layers have a gated form, and which one."""

import keras
from keras.src.applications import convnext  # Keras does not export its LayerScale.

from adafilter_tf import errors, layers

# Exactly these: a subclass may compute something else. Those whose outputs are filters:
FILTER_LAYERS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
# Those that treat each channel by weights of its own:
CHANNEL_LAYERS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    convnext.LayerScale,
)
# Their weights are constants of the data, not learned features.
CONSTANT_LAYERS = (keras.layers.Normalization, keras.layers.Rescaling)


_LEARNED = {
    keras.layers.Conv2D: ("kernel", "bias"),
    keras.layers.DepthwiseConv2D: ("depthwise", "bias"),
    keras.layers.SeparableConv2D: ("depthwise", "pointwise", "bias"),
    keras.layers.Dense: ("kernel", "bias"),
    keras.layers.BatchNormalization: ("gamma", "beta"),
    keras.layers.LayerNormalization: ("gamma", "beta"),
    convnext.LayerScale: (),
}


def check(layer: keras.Layer) -> None:
    """Checks that a layer of one of the types above has a gated form.

    Raises:
        RunError: Naming the layer and what stands against it.
    """
    _check_channels_last(layer)
    _check_unconstrained(layer, *_LEARNED[type(layer)])
    if getattr(layer, "renorm", False):
        raise errors.RunError(
            f"Layer {layer.name!r} uses batch renormalization, which has no gated "
            "form; set gate_from to a layer after it."
        )
    if getattr(layer, "rms_scaling", False):
        raise errors.RunError(
            f"Layer {layer.name!r} scales by the mean square (rms_scaling), which has "
            "no gated form; set gate_from to a layer after it."
        )


def _check_channels_last(layer: keras.Layer) -> None:
    axes = getattr(layer, "axis", -1)
    axes = list(axes) if isinstance(axes, list | tuple) else [axes]
    if getattr(layer, "data_format", "channels_last") != "channels_last" or (
        axes not in ([-1], [len(layer.input.shape) - 1])
    ):
        raise errors.RunError(
            f"Layer {layer.name!r} works on channels_first or on other axes than the "
            "last one; gated networks are channels_last. Rebuild the backbone with "
            "data_format='channels_last'."
        )


def _check_unconstrained(layer: keras.Layer, *weights: str) -> None:
    names = [f"{w}_{kind}" for w in weights for kind in ("regularizer", "constraint")]
    for name in (*names, "activity_regularizer"):
        if getattr(layer, name, None) is not None:
            raise errors.RunError(
                f"Layer {layer.name!r} has a {name}, which its gated form would lose; "
                "remove it from the backbone and use --weight_decay."
            )


def convert(layer: keras.Layer, frozen_statistics: str) -> keras.Layer:
    """Returns the gated form of a layer, without its weights."""
    options = {"dtype": layer.dtype_policy, "name": layer.name}
    if type(layer) is keras.layers.BatchNormalization:
        return layers.GatedBatchNormalization(
            momentum=layer.momentum,
            epsilon=layer.epsilon,
            center=layer.center,
            scale=layer.scale,
            synchronized=layer.synchronized,
            frozen_statistics=frozen_statistics,
            **options,
        )
    if type(layer) is keras.layers.LayerNormalization:
        return layers.GatedLayerNormalization(
            epsilon=layer.epsilon, center=layer.center, scale=layer.scale, **options
        )
    if type(layer) is convnext.LayerScale:
        return layers.GatedScale(**options)
    options |= {"activation": layer.activation, "use_bias": layer.use_bias}
    if type(layer) is keras.layers.Dense:
        return layers.GatedDense(layer.units, **options)
    options |= {
        "filters": layer.output.shape[-1],
        "kernel_size": layer.kernel_size,
        "strides": layer.strides,
        "padding": layer.padding,
        "dilation_rate": layer.dilation_rate,
    }
    if type(layer) is keras.layers.SeparableConv2D:
        return layers.GatedSeparableConv2D(
            depth_multiplier=layer.depth_multiplier, **options
        )
    return layers.GatedConv2D(
        groups=getattr(layer, "groups", 1),
        depthwise=type(layer) is keras.layers.DepthwiseConv2D,
        **options,
    )


def copy_to_branches(source: keras.Layer, target: keras.Layer) -> None:
    """Copies the weights of a layer to both branches of its gated form."""
    for weight in source.weights:
        # Keras does not name the one weight of a LayerScale.
        name = "gamma" if type(source) is convnext.LayerScale else weight.name
        for branch in ("frozen", "tuned"):
            # A copy for each: JAX refuses to update weights that share memory.
            value = keras.ops.convert_to_numpy(weight).copy()
            getattr(target, f"{branch}_{name}").assign(value)


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Copies all weights of a layer to another one of the same kind."""
    # A copy for each: JAX refuses to update weights that share memory.
    target.set_weights([weight.copy() for weight in source.get_weights()])
    if isinstance(target, keras.layers.Normalization):
        # It computes with tensors beside its weights, which set_weights leaves alone.
        target.finalize_state()
