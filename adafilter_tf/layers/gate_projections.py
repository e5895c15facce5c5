"""The dense projections of each gated layer, which the gate networks have in common."""

import keras
from keras import ops


def create_projections(layer, layer_names, channels, filters, *, units, initial_bias):
    """Returns the embeddings P_i and the logits' layers Q_i of a gate network.

    P_i maps the C_i pooled channels of gated layer i to `units`, Q_i these to one logit
    per filter.

    Args:
        layer: The gate network; its parts share its dtype policy and trainability.
        layer_names: Name of each gated layer, in the order in which they are decided.
        channels: C_i of each gated layer, likewise.
        filters: N_i of each gated layer, likewise.
        units: Width of the embeddings.
        initial_bias: Start of Q_i's bias: 0 leaves the choice open, a positive value
            starts with tuned filters, a negative one with frozen filters.

    Returns:
        Two lists of unbuilt dense layers.

    Raises:
        ValueError: When the three lists are empty or differ in length.
    """
    lengths = [len(entries) for entries in (layer_names, channels, filters)]
    if not lengths[0] or len(set(lengths)) != 1:
        raise ValueError(
            f"{type(layer).__name__} needs one entry per gated layer in layer_names, "
            f"channels and filters; received {lengths} entries."
        )
    # A layer that is built untrainable, as when it is loaded, does not tell its parts.
    options = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    embeddings = [
        keras.layers.Dense(units, name=f"embedding_{i}", **options)
        for i in range(len(channels))
    ]
    filter_logits = [
        keras.layers.Dense(
            count,
            bias_initializer=keras.initializers.Constant(initial_bias),
            name=f"filter_logits_{i}",
            **options,
        )
        for i, count in enumerate(filters)
    ]
    return embeddings, filter_logits


def build_projections(layer) -> None:
    """Creates the weights of `layer.embeddings` and `layer.filter_logits`."""
    for channels, embedding in zip(layer.channels, layer.embeddings, strict=True):
        embedding.build((None, channels))
    for filter_logits in layer.filter_logits:
        filter_logits.build((None, layer.units))


def pool(inputs):
    """Returns the mean of [B, ..., C] over all positions, [B, C]."""
    axes = tuple(range(1, len(inputs.shape) - 1))
    if not axes:
        return inputs
    # Not `ops.mean`, whose gradient divides after it is spread over the positions.
    positions = ops.prod(ops.cast(ops.shape(inputs)[1:-1], "float32"))
    return ops.sum(inputs, axis=axes) / positions


def get_projections_config(layer) -> dict:
    """Returns the arguments that the gate networks have in common."""
    return {
        "layer_names": layer.layer_names,
        "channels": layer.channels,
        "filters": layer.filters,
        "units": layer.units,
        "initial_bias": layer.initial_bias,
        "temperature": layer.temperature,
    }
