"""What of a trained network can be folded, found by its layers and connections."""

import collections
import dataclasses

import keras

from adafilter_tf import layers
from adafilter_tf.models.folding import filter_bank
from adafilter_tf.models.graph import visit_calls


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
        layers: By name.
        readers: Name of a layer to the set of layers that read it; "" is the output.
        reads: Name of a layer to the set of layers that it reads.
    """

    layers: dict
    readers: dict[str, set[str]]
    reads: dict[str, set[str]]


def plan_fold(model: keras.Model) -> FoldPlan:
    """Returns what of a functional model of one input can be folded.

    A batch norm or layer scale goes into the convolution or dense layer before it when
    it alone reads that layer, with no activation between.
    """
    graph = _connect(model)
    followers, norms = {}, {}
    for name, layer in graph.layers.items():
        if not _is_filter_layer(layer):
            continue
        followers[name] = _follow(graph, name)
        reader = _only_reader(graph, name)
        if reader and type(graph.layers[reader]).__name__ == "GatedLayerNormalization":
            norms[reader] = name
    return FoldPlan(followers, norms)


def walk(model: keras.Model, call) -> None:
    """Calls `call(layer, args, kwargs)` for each call in a model, in their order.

    The arguments are the model's own tensors, but for the state of a gate network.
    """
    kept = []  # A tensor that is gone could leave its identity to another one.

    def record(layer, *args, **kwargs):
        call(layer, args, kwargs)
        if isinstance(layer, layers.GateNetwork):
            shape = (None, 1)
            kept.append([keras.KerasTensor(shape) for _ in range(3)])
            return kept[-1]
        return layer.output

    visit_calls(model, record)


def _connect(model: keras.Model) -> _Connections:
    graph = _Connections({}, collections.defaultdict(set), {})
    producers = {}

    def call(layer, args, kwargs):
        graph.layers[layer.name] = layer
        tensors = keras.tree.flatten((args, kwargs))
        read = {producers[id(x)] for x in tensors if id(x) in producers}
        graph.reads.setdefault(layer.name, set()).update(read)
        for source in read:
            graph.readers[source].add(layer.name)
        if not isinstance(layer, layers.GateNetwork):
            for tensor in keras.tree.flatten(layer.output):
                producers[id(tensor)] = layer.name

    walk(model, call)
    for tensor in model.outputs:
        graph.readers[producers.get(id(tensor), "")].add("")
    return graph


def _only_reader(graph: _Connections, name: str) -> str | None:
    """Returns the one layer that reads a layer without activation, if there is one."""
    readers = graph.readers[name]
    layer = graph.layers[name]
    activation = getattr(layer, "activation", keras.activations.linear)
    if len(readers) != 1 or "" in readers:
        return None
    return next(iter(readers)) if activation is keras.activations.linear else None


def _follow(graph: _Connections, name: str) -> tuple[str, ...]:
    found = []
    reader = _only_reader(graph, name)
    while reader and _is_foldable(graph, reader, [name, *found]):
        found.append(reader)
        reader = _only_reader(graph, reader)
    return tuple(found)


def _is_foldable(graph: _Connections, reader: str, before: list[str]) -> bool:
    layer = graph.layers[reader]
    if type(layer) in filter_bank.GATED_AFFINE:
        # By the gates of the layer before it, not by its own.
        return len(before) == 1 and f"{before[0]}_gate" in graph.reads[reader]
    return (
        type(layer) in filter_bank.PLAIN_AFFINE
        and graph.reads[reader] == {before[-1]}
        and _reads_channels_last(layer)
        and not getattr(layer, "renorm", False)
    )


def _reads_channels_last(layer: keras.Layer) -> bool:
    axis = getattr(layer, "axis", -1)
    return axis in (-1, len(layer.input.shape) - 1)


def _is_filter_layer(layer) -> bool:
    known = (*filter_bank.PLAIN_FILTERS, *filter_bank.GATED_FILTERS)
    data_format = getattr(layer, "data_format", "channels_last")
    return type(layer) in known and data_format == "channels_last"
