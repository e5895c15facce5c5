"""The part of a network that does not train and that everything else reads once."""

import keras

from adafilter_tf.models import freezing


def split_trunk(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Splits a functional model behind the layers that are frozen.

    The trunk ends at the last tensor that depends on frozen layers alone and through
    which everything behind them goes. Frozen is a layer that does not train, or has
    nothing to train, and samples no random numbers: it computes the same in
    training as at inference.

    Args:
        model: Of one input.

    Returns:
        The trunk, from the input of `model` to that tensor, and the rest, from there to
        the output of `model`; their layers are those of `model`. None when no layer
        with weights lies in front of such a tensor.
    """
    nodes = [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
    ]
    before, frozen = _find_ancestors(nodes)
    for node in reversed(nodes):
        if id(node) not in frozen or len(node.output_tensors) != 1:
            continue
        inside = before[id(node)]
        layers = [n.operation for n in nodes if id(n) in inside]
        if any(getattr(x, "weights", None) for x in layers) and not _leaks(
            model, nodes, inside, node
        ):
            (boundary,) = node.output_tensors
            return (
                keras.Model(model.input, boundary, name="trunk"),
                keras.Model(boundary, model.output, name=model.name),
            )
    return None


def _find_ancestors(nodes) -> tuple[dict[int, set[int]], set[int]]:
    """Returns each node's ancestors with itself, and the nodes that are frozen."""
    producers: dict[int, object] = {}
    before: dict[int, set[int]] = {}
    frozen: set[int] = set()
    for node in nodes:
        parents = [producers[id(tensor)] for tensor in node.input_tensors]
        before[id(node)] = {id(node)}.union(*(before[id(p)] for p in parents))
        if _is_frozen(node.operation) and all(id(p) in frozen for p in parents):
            frozen.add(id(node))
        for tensor in node.output_tensors:
            producers[id(tensor)] = node
    return before, frozen


def _is_frozen(layer) -> bool:
    if getattr(layer, "weights", None) and layer.trainable:
        return False
    return not freezing.is_random(layer)


def _leaks(model, nodes, inside: set[int], end) -> bool:
    """Returns whether anything behind `end` reads another tensor of the inside."""
    inner = {
        id(tensor)
        for node in nodes
        if id(node) in inside and node is not end
        for tensor in node.output_tensors
    }
    reads = [t for node in nodes if id(node) not in inside for t in node.input_tensors]
    return any(id(tensor) in inner for tensor in [*reads, *model.outputs])
