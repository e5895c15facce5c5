"""Which layers of a backbone become gated ones, found by its names and connections."""

import collections
import dataclasses

import keras

from adafilter_tf import errors
from adafilter_tf.models import conversion, graph


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which layers become gated ones.

    Attributes:
        filter_layers: Names of the convolutions and dense layers that get gates.
        channel_layers: Name of each gated batch norm, layer norm and layer scale to the
            name of the filter layer whose branches it reads, or None where it follows
            no gated one and chooses by gates of its own.
        frozen: Names of the layers before the first gated one.
        channels, filters: Of each layer with gates of its own, in order.
    """

    filter_layers: frozenset[str]
    channel_layers: dict[str, str | None]
    frozen: frozenset[str]
    channels: dict[str, int]
    filters: dict[str, int]


def plan_gates(
    backbone: keras.Model, gate_from: str | None, *, gated_batch_norm: bool = True
) -> Plan:
    """Returns which layers of a backbone become gated ones.

    Args:
        backbone: Functional model, channels last.
        gate_from: Start of the name of the first layer to gate; None gates all.
        gated_batch_norm: False leaves every batch norm a plain one.

    Raises:
        RunError: When a layer with weights cannot be converted (the message names it),
            when `gate_from` names no layer, or when nothing is left to gate.
    """
    calls = graph.list_calls(backbone)
    check_ends(backbone)
    start = _first_gated(calls, gate_from)
    frozen, gated = calls[:start], calls[start:]
    readers = collections.Counter(name for call in calls for name in call.inputs)
    filter_layers, channel_layers, channels, filters = {}, {}, {}, {}
    for call in gated:
        layer = call.layer
        if type(layer) in conversion.FILTER_LAYERS:
            conversion.check(layer)
            filter_layers[layer.name] = layer
        elif type(layer) in conversion.CHANNEL_LAYERS:
            if _is_batch_norm(layer) and not gated_batch_norm:
                continue
            conversion.check(layer)
            (source,) = call.inputs
            paired = (
                source in filter_layers
                and readers[source] == 1
                and filter_layers[source].activation is keras.activations.linear
            )
            channel_layers[layer.name] = source if paired else None
            if paired:
                continue
        elif isinstance(layer, conversion.CONSTANT_LAYERS) or not getattr(
            layer, "trainable_variables", None
        ):
            continue
        else:
            raise errors.RunError(
                f"Layer {layer.name!r} of type {type(layer).__name__} has weights and "
                f"no gated form; gated are {_list_types()}. Set gate_from to a layer "
                "after it, or set its trainable to False to keep it frozen."
            )
        channels[layer.name] = layer.input.shape[-1]
        filters[layer.name] = layer.output.shape[-1]
    if not filters:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has no layer to gate from "
            f"{gate_from or 'its input'!r} on; choose an earlier gate_from."
        )
    return Plan(
        filter_layers=frozenset(filter_layers),
        channel_layers=channel_layers,
        frozen=frozenset(call.layer.name for call in frozen),
        channels=channels,
        filters=filters,
    )


def _is_batch_norm(layer: keras.Layer) -> bool:
    return type(layer) is keras.layers.BatchNormalization


def _list_types() -> str:
    types = (*conversion.FILTER_LAYERS, *conversion.CHANNEL_LAYERS)
    return ", ".join(each.__name__ for each in types)


def check_ends(backbone: keras.Model) -> None:
    """Checks that a backbone has one input and one output.

    Raises:
        RunError: When it has more of them.
    """
    if len(backbone.inputs) != 1 or len(backbone.outputs) != 1:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has {len(backbone.inputs)} inputs and "
            f"{len(backbone.outputs)} outputs; it must have one of each."
        )


def _first_gated(calls: list[graph.Call], gate_from: str | None) -> int:
    if gate_from is None:
        return 0
    for index, call in enumerate(calls):
        if call.layer.name.startswith(gate_from):
            return index
    names = [c.layer.name for c in calls if type(c.layer) in conversion.FILTER_LAYERS]
    raise errors.RunError(
        f"Received gate_from={gate_from!r}; no layer of the backbone has a name that "
        f"starts so. Its convolutions are {', '.join(names)}."
    )
