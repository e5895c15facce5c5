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


def check(layer: keras.Layer, rank: int) -> None:
    """Checks that a layer of one of the types above has a gated form.

    Args:
        layer: It was called.
        rank: Number of the axes of its input.

    Raises:
        RunError: Naming the layer and what stands against it.
    """
    check_unquantized(layer)
    _check_channels_last(layer, rank)
    _check_unconstrained(layer, *_LEARNED[type(layer)])
    _check_activation(layer)
    if getattr(layer, "lora_enabled", False):
        raise errors.RunError(
            f"Layer {layer.name!r} has a change of low rank (LoRA, rank "
            f"{layer.lora_rank}), which has no gated form. Build the backbone without "
            "enable_lora and give the layer's copy this kernel, which holds the sum; "
            "--backbone=PATH.keras does both."
        )
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


def check_unquantized(layer: keras.Layer) -> None:
    """Checks that a layer, and those inside of it, compute with numbers of full range.

    Raises:
        RunError: Naming the layer and its quantization.
    """
    parts = layer._flatten_layers() if isinstance(layer, keras.Layer) else ()
    for part in parts:
        mode = getattr(part, "quantization_mode", None)
        if mode is not None:
            raise errors.RunError(
                f"Layer {layer.name!r} ({type(layer).__name__}) is quantized to "
                f"{mode}; its weights cannot be trained further. Use the network from "
                "before model.quantize."
            )


def _check_activation(layer: keras.Layer) -> None:
    activation = getattr(layer, "activation", None)
    if isinstance(activation, keras.Layer):
        raise errors.RunError(
            f"Layer {layer.name!r} has the layer {type(activation).__name__} as its "
            "activation; allowed are functions, such as 'relu'. Call "
            f"{type(activation).__name__} as a layer behind it, or set gate_from to a "
            "layer after it."
        )


def _check_channels_last(layer: keras.Layer, rank: int) -> None:
    axes = getattr(layer, "axis", -1)
    axes = list(axes) if isinstance(axes, list | tuple) else [axes]
    if getattr(layer, "data_format", "channels_last") != "channels_last" or (
        axes not in ([-1], [rank - 1])
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
        "filters": _count_filters(layer),
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


def _count_filters(layer: keras.Layer) -> int:
    if type(layer) is keras.layers.DepthwiseConv2D:
        return layer.kernel.shape[-2] * layer.kernel.shape[-1]
    return layer.filters


def copy_to_branches(source: keras.Layer, target: keras.Layer) -> None:
    """Copies the weights of a layer to both branches of its gated form."""
    for weight in source.weights:
        # Keras does not name the one weight of a LayerScale.
        name = "gamma" if type(source) is convnext.LayerScale else weight.name
        for branch in ("frozen", "tuned"):
            # A copy for each: JAX refuses to update weights that share memory.
            value = keras.ops.convert_to_numpy(weight).copy()
            getattr(target, f"{branch}_{name}").assign(value)


def clone_layer(layer: keras.layers.Layer, **changes) -> keras.layers.Layer:
    """Returns a copy of a layer or stateless operation, without weights.

    Args:
        layer: Any of them; a Lambda is copied with its function.
        **changes: Entries of its configuration that differ, such as `name`.
    """
    config = {**layer.get_config(), **changes}
    if type(layer) is keras.layers.Lambda:
        # Keras refuses to read a Lambda's function back from a configuration.
        return keras.layers.Lambda(
            layer.function,
            output_shape=layer._output_shape,
            mask=layer.mask,
            arguments=layer.arguments,
            **{key: config[key] for key in ("name", "trainable", "dtype")},
        )
    return type(layer).from_config(config)


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Copies all weights of a layer to another one of the same kind.

    A weight that does not train in `source` does not in `target` either.
    """
    # A copy for each: JAX refuses to update weights that share memory.
    _set_weights(target, [weight.copy() for weight in source.get_weights()])
    for of_source, of_target in zip(source.weights, target.weights, strict=True):
        if of_target.trainable and not of_source.trainable:
            of_target.trainable = False


def copy_merged_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Copies a layer's weights to one without LoRA; a kernel gets its change added."""
    merged = {
        id(getattr(layer, f"_{name}")): getattr(layer, name)
        for layer in source._flatten_layers()
        if getattr(layer, "lora_enabled", False)
        for name in ("kernel", "embeddings")
        if hasattr(layer, f"_{name}")
    }
    values = [
        keras.ops.convert_to_numpy(merged.get(id(weight), weight)).copy()
        for weight in source.weights
        if not weight.name.startswith("lora_")
    ]
    if [value.shape for value in values] != [w.shape for w in target.weights]:
        raise ValueError(
            f"{source.name!r} has weights of shapes {[v.shape for v in values]} and "
            f"its copy of {[w.shape for w in target.weights]}."
        )
    _set_weights(target, values)


def _set_weights(layer: keras.Layer, values: list) -> None:
    layer.set_weights(values)
    if isinstance(layer, keras.layers.Normalization):
        # It computes with tensors beside its weights, which set_weights leaves alone.
        layer.finalize_state()
