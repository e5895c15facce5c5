"""Which layers of a backbone become gated ones, found by its names and connections."""

import collections
import dataclasses
from collections.abc import Callable, Iterable

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import classifier, conversion, graph, inlining


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which layers become gated ones.

    A layer that is called more than once has gates of its own at each call; a call's
    name is that of its layer, see `graph.Call`.

    Attributes:
        calls: All calls of the backbone, in their order.
        gated_layers: Names of the layers that get two branches.
        filter_calls: Names of the calls of convolutions and dense layers with gates.
        channel_calls: Name of each call of a gated batch norm, layer norm or layer
            scale to the name of the call of a filter layer whose branches it reads, or
            None where it follows no gated one and has gates of its own.
        frozen: Names of the layers that do not train: those before the first gated one,
            and those that the backbone's owner froze.
        channels: Input channels of each call with gates of its own, in order.
        filters: Its filters, likewise.
    """

    calls: tuple[graph.Call, ...]
    gated_layers: frozenset[str]
    filter_calls: frozenset[str]
    channel_calls: dict[str, str | None]
    frozen: frozenset[str]
    channels: dict[str, int]
    filters: dict[str, int]


def plan_gates(
    backbone: keras.Model, gate_from: str | None, *, gated_batch_norm: bool = True
) -> Plan:
    """Returns which layers of a backbone become gated ones.

    Args:
        backbone: Functional model, channels last.
        gate_from: Start of the name of the first layer to gate; None gates all. A layer
            that is called before it stays frozen at its later calls too.
        gated_batch_norm: False leaves every batch norm a plain one.

    Raises:
        RunError: When a layer with weights cannot be converted (the message names it),
            when the backbone has gates already, when `gate_from` names no layer, or
            when nothing is left to gate.
    """
    calls = graph.list_calls(backbone)
    check_plain(backbone)
    check_ends(backbone)
    start = _first_gated(calls, gate_from)
    frozen = {call.layer.name for call in calls[:start]}
    frozen |= {c.layer.name for c in calls if not getattr(c.layer, "trainable", True)}
    gated = [call for call in calls if _has_gates(call, frozen, gated_batch_norm)]
    channel_calls = _pair_with_filters(calls, gated)
    own = [call for call in gated if channel_calls.get(call.name) is None]
    if not own:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has no layer to gate from "
            f"{gate_from or 'its input'!r} on{_explain_frozen(calls[start:])}."
        )
    return Plan(
        calls=tuple(calls),
        gated_layers=frozenset(call.layer.name for call in gated),
        filter_calls=frozenset(c.name for c in gated if c.name not in channel_calls),
        channel_calls=channel_calls,
        frozen=frozenset(frozen),
        channels={call.name: call.tensors[0].shape[-1] for call in own},
        filters={call.name: call.outputs[0].shape[-1] for call in own},
    )


def _has_gates(call: graph.Call, frozen, gated_batch_norm: bool) -> bool:
    """Returns whether a call becomes a gated one.

    Raises:
        RunError: When its layer trains and has no gated form.
    """
    layer = call.layer
    if layer.name in frozen:
        return False
    if type(layer) in (*conversion.FILTER_LAYERS, *conversion.CHANNEL_LAYERS):
        if _is_batch_norm(layer) and not gated_batch_norm:
            return False
        conversion.check(layer, len(call.tensors[0].shape))
        return True
    if isinstance(layer, conversion.CONSTANT_LAYERS) or not getattr(
        layer, "trainable_variables", None
    ):
        return False
    raise errors.RunError(
        f"Layer {layer.name!r} of type {type(layer).__name__} has weights and no gated "
        f"form; gated are {_list_types()}. Set gate_from to a layer after it, or set "
        "its trainable to False to keep it frozen."
    )


def _pair_with_filters(calls, gated) -> dict[str, str | None]:
    """Returns `Plan.channel_calls`."""
    readers = collections.Counter(name for call in calls for name in call.inputs)
    filter_layers = {
        call.name: call.layer
        for call in gated
        if type(call.layer) in conversion.FILTER_LAYERS
    }
    pairs = {}
    for call in gated:
        if type(call.layer) in conversion.CHANNEL_LAYERS:
            (source,) = call.inputs
            paired = (
                source in filter_layers
                and readers[source] == 1
                and filter_layers[source].activation is keras.activations.linear
            )
            pairs[call.name] = source if paired else None
    return pairs


def _explain_frozen(calls: list[graph.Call]) -> str:
    for call in calls:
        if type(call.layer) in conversion.FILTER_LAYERS and not call.layer.trainable:
            return (
                f": its layers, such as {call.layer.name!r}, have trainable=False. Set "
                "trainable=True on those that are to be gated"
            )
    return "; choose an earlier gate_from"


def _is_batch_norm(layer: keras.Layer) -> bool:
    return type(layer) is keras.layers.BatchNormalization


def _list_types() -> str:
    types = (*conversion.FILTER_LAYERS, *conversion.CHANNEL_LAYERS)
    return ", ".join(each.__name__ for each in types)


def free_names(
    backbone: keras.Model, list_names: Callable[[keras.Model], Iterable[str]]
) -> keras.Model:
    """Returns a flat backbone without layers of the names that a conversion gives.

    Args:
        backbone: The network to convert.
        list_names: From it, flat, to the names of the layers that are added, beside
            those of every method.

    Raises:
        RunError: When it has gates already.
    """
    backbone = inlining.inline_models(backbone)
    if not hasattr(backbone, "operations"):
        return backbone  # `graph.list_calls` refuses it.
    check_plain(backbone)
    reserved = {*classifier.OWN_NAMES, *list_names(backbone)}
    return inlining.inline_models(backbone, reserved=reserved.__contains__)


def check_plain(backbone: keras.Model) -> None:
    """Checks that a backbone has no gates yet.

    Raises:
        RunError: When it has; the message names the layer that decides them.
    """
    for layer in backbone.layers:
        if isinstance(layer, (layers.GateNetwork, layers.PolicyNetwork)):
            raise errors.RunError(
                f"The network {backbone.name!r} has gates already: its layer "
                f"{layer.name!r} is a {type(layer).__name__}. A backbone is a plain "
                "network, such as the model.keras of a run with --method=fine_tuning; "
                "to train a gated network further, resume its own run."
            )


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
