"""From layers that are called more than once to a layer for each call."""

import keras

from adafilter_tf import layers
from adafilter_tf.models import conversion, graph
from adafilter_tf.models.folding import filter_bank


def separate_calls(model: keras.Model) -> keras.Model:
    """Returns a model in which each layer but a gate network is called once.

    What is folded into a layer, and the gates that are constant, differ from call to
    call. The first call keeps the layer's name; a gated call is named after its gates.

    Args:
        model: Functional and flat.

    Returns:
        `model` itself when it has no such layer, else a copy that shares no weight with
        it.
    """
    calls = graph.list_calls(model)
    if all(
        call.name == call.layer.name or isinstance(call.layer, layers.GateNetwork)
        for call in calls
    ):
        return model
    names = iter(_name_calls(calls))
    shared: dict[int, keras.Layer] = {}
    copies = []

    def call(layer, *args, **kwargs):
        name = next(names)
        if id(layer) in shared:
            return shared[id(layer)](*args, **kwargs)
        clone = conversion.clone_layer(layer, name=name)
        if isinstance(layer, layers.GateNetwork):
            shared[id(layer)] = clone
        copies.append((layer, clone))
        return clone(*args, **kwargs)

    separated = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    for source, clone in copies:
        if isinstance(source, keras.Layer) and source.weights:
            conversion.copy_weights(source, clone)
    return separated


def _name_calls(calls: list[graph.Call]) -> list[str]:
    """Returns a name for each call; gates of the layer X_gate are those of X."""
    producers = {id(tensor): call for call in calls for tensor in call.outputs}
    by_gates: dict[str, str] = {}
    for call in calls:
        gated = (*filter_bank.GATED_FILTERS, *filter_bank.GATED_AFFINE)
        if not isinstance(call.layer, (*gated, layers.GatedLayerNormalization)):
            continue
        sources = [producers[id(x)] for x in call.tensors if id(x) in producers]
        gates = [s.name for s in sources if isinstance(s.layer, layers.FilterGate)]
        for name in gates:
            owner = call
            if not isinstance(call.layer, filter_bank.GATED_FILTERS):
                # It reads both branches of a layer, or has gates of its own.
                pairs = [s for s in sources[:1] if len(s.outputs) == 2]
                owner = pairs[0] if pairs else call
            by_gates[owner.name] = name.removesuffix("_gate")
    taken = {*by_gates.values(), *(call.layer.name for call in calls)}
    names: list[str] = []
    used: set[str] = set()
    for call in calls:
        name = call.layer.name
        if call.name in by_gates:
            name = by_gates[call.name]
        elif name in used or name in by_gates.values():
            name = graph.free_name(call.name, taken)
        names.append(name)
        used.add(name)
        taken.add(name)
    return names
