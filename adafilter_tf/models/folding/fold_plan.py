"""What of a trained network can be folded, found by its layers and connections."""

import collections
import dataclasses

import keras

from adafilter_tf import layers
from adafilter_tf.models import graph
from adafilter_tf.models.folding import filter_bank


@dataclasses.dataclass(frozen=True)
class FoldPlan:
    """Which layers go into which.

    Attributes:
        followers: Name of each convolution and dense layer to the names of the batch
            norms and layer scales that are folded into it, in order.
        norms: Name of a gated layer norm to that of the layer whose branches it reads.
    """

    followers: dict[str, tuple[str, ...]]
    norms: dict[str, str]

    @property
    def folded(self) -> frozenset[str]:
        """Names of the layers that go into another one."""
        return frozenset(name for names in self.followers.values() for name in names)


@dataclasses.dataclass
class _Connections:
    """Who reads whom.

    Attributes:
        calls: By name.
        readers: Name of a layer to the set of layers that read it; "" is the output.
        reads: Name of a layer to the set of layers that it reads.
    """

    calls: dict[str, graph.Call]
    readers: dict[str, set[str]]
    reads: dict[str, set[str]]


def plan_fold(model: keras.Model) -> FoldPlan:
    """Returns what of a model, whose layers are called once each, can be folded.

    A batch norm or layer scale goes into the convolution or dense layer before it when
    it alone reads that layer, with no activation between.
    """
    connections = _connect(model)
    followers, norms = {}, {}
    for name, call in connections.calls.items():
        if not _is_filter_layer(call.layer):
            continue
        followers[name] = _follow(connections, name)
        reader = _only_reader(connections, name)
        if reader and isinstance(
            connections.calls[reader].layer, layers.GatedLayerNormalization
        ):
            norms[reader] = name
    return FoldPlan(followers, norms)


def _connect(model: keras.Model) -> _Connections:
    connections = _Connections({}, collections.defaultdict(set), {})
    producers: dict[int, str] = {}
    for call in graph.list_calls(model):
        connections.calls[call.name] = call
        read = {producers[id(x)] for x in call.tensors if id(x) in producers}
        connections.reads[call.name] = read
        for source in read:
            connections.readers[source].add(call.name)
        if not isinstance(call.layer, layers.GateNetwork):
            producers |= {id(tensor): call.name for tensor in call.outputs}
    for tensor in model.outputs:
        connections.readers[producers.get(id(tensor), "")].add("")
    return connections


def _only_reader(connections: _Connections, name: str) -> str | None:
    """Returns the one layer that reads a layer without activation, if there is one."""
    readers = connections.readers[name]
    layer = connections.calls[name].layer
    activation = getattr(layer, "activation", keras.activations.linear)
    if len(readers) != 1 or "" in readers:
        return None
    return next(iter(readers)) if activation is keras.activations.linear else None


def _follow(connections: _Connections, name: str) -> tuple[str, ...]:
    found: list[str] = []
    reader = _only_reader(connections, name)
    while reader and _is_foldable(connections, reader, [name, *found]):
        found.append(reader)
        reader = _only_reader(connections, reader)
    return tuple(found)


def _is_foldable(connections: _Connections, reader: str, before: list[str]) -> bool:
    call = connections.calls[reader]
    layer = call.layer
    if type(layer) in filter_bank.GATED_AFFINE:
        # By the gates of the layer before it, not by its own.
        return len(before) == 1 and f"{before[0]}_gate" in connections.reads[reader]
    return (
        type(layer) in filter_bank.PLAIN_AFFINE
        and connections.reads[reader] == {before[-1]}
        and _reads_channels_last(call)
        and not getattr(layer, "renorm", False)
    )


def _reads_channels_last(call: graph.Call) -> bool:
    axis = getattr(call.layer, "axis", -1)
    return axis in (-1, len(call.tensors[0].shape) - 1)


def _is_filter_layer(layer) -> bool:
    known = (*filter_bank.PLAIN_FILTERS, *filter_bank.GATED_FILTERS)
    data_format = getattr(layer, "data_format", "channels_last")
    return type(layer) in known and data_format == "channels_last"
