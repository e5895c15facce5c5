"""From a network of the user's to a backbone: head off, pixels normalized, any size."""

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import classifier, conversion, gate_plan, graph, inlining

# What the pixels were when the network was trained -> arguments of PixelNormalization;
# "0..255" as they come. Those of keras.src.applications.imagenet_utils.
PIXEL_RANGES: dict[str, dict | None] = {
    "0..255": None,
    "0..1": {"mean": (0.0,), "standard_deviation": (255.0,)},
    "-1..1": {"mean": (127.5,), "standard_deviation": (127.5,)},
    "imagenet": {
        "mean": (123.675, 116.28, 103.53),
        "standard_deviation": (58.395, 57.12, 57.375),
    },
    "caffe": {
        "mean": (103.939, 116.779, 123.68),
        "standard_deviation": (1.0,),
        "reverse_channels": True,
    },
}
_GLOBAL_POOLING = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)
_NORMALIZING = (layers.PixelNormalization, *conversion.CONSTANT_LAYERS)


def cut_head(network: keras.Model, features_layer: str | None = None) -> keras.Model:
    """Returns a network up to its features.

    Args:
        network: Functional or Sequential.
        features_layer: Name of the layer whose output are the features. None: a network
            that ends in feature maps is taken whole; of a classifier, what its last
            global pooling reads, or else its last feature maps, through which
            everything behind them must go.

    Returns:
        A flat functional model from pixels to feature maps [B, H, W, C] or features
        [B, C]. It may share weights with `network`.

    Raises:
        RunError: When it is not functional, has gates or quantized layers, has several
            outputs and `features_layer` does not choose, when there is no such layer,
            or when no place for the cut is found.
    """
    network = inlining.inline_models(inlining.strip_training_only_layers(network))
    calls = graph.list_calls(network)
    gate_plan.check_plain(network)
    for call in calls:
        conversion.check_unquantized(call.layer)
    if features_layer is None and len(network.outputs) > 1:
        names = ", ".join(
            repr(x._keras_history.operation.name) for x in network.outputs
        )
        raise errors.RunError(
            f"The network {network.name!r} has {len(network.outputs)} outputs, of the "
            f"layers {names}; a backbone has one. Say with --features_layer=NAME whose "
            "output the features are."
        )
    if features_layer is None:
        features_layer = _find_features(network, calls)
    outputs = {call.name: call.outputs for call in calls}
    if features_layer not in outputs:
        raise errors.RunError(
            f"Received --features_layer={features_layer}; the network {network.name!r} "
            f"has no such layer. Its last ones are {', '.join(list(outputs)[-8:])}."
        )
    output = outputs[features_layer][0]
    if len(output.shape) not in (2, 4):
        raise errors.RunError(
            f"Layer {features_layer!r} gives {tuple(output.shape)}; features are "
            "[batch, height, width, channels] or [batch, channels]. Name another layer "
            "with --features_layer."
        )
    return keras.Model(network.inputs[0], output, name=network.name)


def _find_features(network: keras.Model, calls: list[graph.Call]) -> str:
    (last,) = (x._keras_history.operation.name for x in network.outputs)
    if _has_area(network.outputs[0].shape):
        return last
    ends = graph.list_bottlenecks(calls)
    for call in reversed(calls):
        if isinstance(call.layer, _GLOBAL_POOLING) and call.name in ends:
            return call.inputs[0]
    for call in reversed(calls):
        if call.name in ends and _has_area(call.outputs[0].shape):
            return call.name
    raise errors.RunError(
        f"The network {network.name!r} has no feature maps that all of its head reads; "
        "say with --features_layer=NAME whose output the features are. Its last layers "
        f"are {', '.join(call.layer.name for call in calls[-8:])}."
    )


def _has_area(shape) -> bool:
    # [B, 1, 1, C] is pooled; unknown sizes are those of feature maps.
    return len(shape) == 4 and shape[1] != 1


def choose_normalization(
    network: keras.Model, pixel_range: str, channels: int
) -> dict | None:
    """Returns the arguments of `PixelNormalization`; None where none is needed.

    Args:
        network: From pixels to features.
        pixel_range: "auto" for a network that normalizes pixels itself, or a key of
            `PIXEL_RANGES`.
        channels: Of the images.

    Raises:
        UsageError: When it is "auto" and the network does not normalize, or when the
            range does not fit the number of channels.
    """
    if pixel_range == "auto":
        if _normalizes(network):
            return None
        raise errors.UsageError(
            f"The network {network.name!r} does not begin with a layer that normalizes "
            "pixels, such as Rescaling; say what it was trained on with --pixel_range: "
            f"{', '.join(PIXEL_RANGES)}."
        )
    chosen = PIXEL_RANGES[pixel_range]
    if chosen is None:
        return None
    if len(chosen["mean"]) not in (1, channels):
        raise errors.UsageError(
            f"Received --pixel_range={pixel_range}, which is for 3 channels; the "
            f"network {network.name!r} has {channels}."
        )
    spread = {k: chosen[k] * channels for k in chosen if k != "reverse_channels"}
    return {**chosen, **{k: v[:channels] for k, v in spread.items()}}


def _normalizes(network: keras.Model) -> bool:
    """Whether a normalizing layer comes before the first one that learns."""
    for call in graph.list_calls(network):
        if isinstance(call.layer, _NORMALIZING):
            return True
        if getattr(call.layer, "trainable_variables", None):
            return False
    return False


def put_behind(
    network: keras.Model, inputs: keras.KerasTensor, *, keep_weights: bool = True
) -> keras.Model:
    """Returns a fresh copy of a network that reads `inputs`, whatever size they have.

    The copy brings no state but weights along: all its layers train, they have the
    present dtype policy, and a change of low rank (LoRA) is added to its kernel. A
    layer with a name that the methods need gets the network's name in front.

    Args:
        network: From pixels to features, flat.
        inputs: [B, H, W, C], the output of other layers or an input.
        keep_weights: False for new random weights.

    Raises:
        RunError: When the network cannot work on that size.
    """
    size = tuple(inputs.shape[1:3])
    (source,) = keras.utils.get_source_inputs(inputs)
    taken = {source.name, inputs._keras_history.operation.name, *classifier.OWN_NAMES}
    try:
        outputs, copies = inlining.call_layers(
            network, inputs, clone=_renew, reserved=taken.__contains__
        )
    except (ValueError, TypeError) as error:  # What layers raise at shapes.
        raise errors.RunError(
            f"The network {network.name!r} cannot read images of {size} pixels, its "
            f"own are {network.input_shape[1:3]}; set --image_size. "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    for layer, copy in copies if keep_weights else ():
        try:
            conversion.copy_merged_weights(layer, copy)
        except ValueError as error:
            raise errors.RunError(
                f"Layer {layer.name!r} of the network {network.name!r} has weights for "
                f"images of {network.input_shape[1:3]} pixels, not of {size}; set "
                "--image_size, or name an earlier --features_layer."
            ) from error
    return keras.Model(source, outputs, name=network.name)


def _renew(layer, name: str):
    """Returns a copy of a layer that trains in the present dtype policy."""
    config = _renew_config({**layer.get_config(), "name": name})
    if isinstance(layer, layers.PixelNormalization):
        config["dtype"] = layer.dtype_policy  # It computes in float32 always.
    return type(layer).from_config(config)


def _renew_config(config: dict) -> dict:
    renewed = {
        key: _renew_part(value)
        for key, value in config.items()
        if key not in ("lora_rank", "lora_alpha")
    }
    fresh = {"trainable": True, "dtype": keras.config.dtype_policy().name}
    return renewed | {key: fresh[key] for key in fresh if key in renewed}


def _renew_part(value):
    """Returns an entry of a configuration, which may hold further layers."""
    if isinstance(value, list | tuple):
        return type(value)(_renew_part(each) for each in value)
    if not isinstance(value, dict):
        return value
    config = value.get("config")
    if "class_name" in value and isinstance(config, dict) and "trainable" in config:
        return {**value, "config": _renew_config(config)}
    return {key: _renew_part(each) for key, each in value.items()}
