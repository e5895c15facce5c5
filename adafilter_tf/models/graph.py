"""The layers of a functional model in the order of their calls, and its blocks."""

import dataclasses
import re

import keras

from adafilter_tf import errors

# ResNet: conv4_block2_1_conv; MobileNetV2: block_16_expand; EfficientNet: block7a_se;
# VGG: block5_conv3; the bundled ResNet: stage3_block2_conv1.
_BLOCK_NAME = re.compile(r"((?:conv|stage)\d+_block\d+|block_?\d+[a-z]?)(?:_|$)")


@dataclasses.dataclass(frozen=True)
class Call:
    """One layer of a model, as it is called there.

    Attributes:
        layer: The layer (or stateless Keras operation).
        inputs: Names of the layers whose outputs it reads.
    """

    layer: object
    inputs: tuple[str, ...]


def list_calls(model: keras.Model) -> list[Call]:
    """Returns the calls of a functional model in Keras' order of execution.

    The order is topological and the one in which `keras.models.clone_model` calls
    layers. A block's projection shortcut and the last convolution of its main path lie
    at the same depth of the graph; in the ResNets of keras.applications the shortcut
    comes second.

    Raises:
        RunError: When the model is not functional, or one of its layers has other calls
            in it or outside of it.
    """
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise errors.RunError(
            f"Received a {type(model).__name__} as backbone; it must be a functional "
            "Keras model: build it with keras.Model(inputs, outputs)."
        )
    producers = {id(tensor): tensor for tensor in model.inputs}
    calls, seen = [], set()

    def record(layer, *args, **kwargs):
        reads = []
        for tensor in keras.tree.flatten((args, kwargs)):
            if isinstance(tensor, keras.KerasTensor):
                _check_called_once(producers.get(id(tensor)), tensor)
                reads.append(producers[id(tensor)].name)
        # A second call would find the output of the first one here.
        _check_called_once(layer if layer.name not in seen else None, layer.output)
        seen.add(layer.name)
        calls.append(Call(layer, tuple(reads)))
        for tensor in keras.tree.flatten(layer.output):
            producers[id(tensor)] = layer
        return layer.output

    visit_calls(model, record)
    return calls


def visit_calls(model: keras.Model, visit) -> None:
    """Calls `visit(layer, *args, **kwargs)` for each call in a functional model.

    In Keras' order of execution; no layer is called.

    Args:
        model: It is not changed.
        visit: Receives the symbolic arguments, the model's own inputs and otherwise
            what `visit` returned in the place of a layer's outputs.
    """
    keras.models.clone_model(
        model,
        input_tensors=model.input,
        clone_function=lambda layer: layer,
        call_function=visit,
    )


def _check_called_once(producer, tensor: keras.KerasTensor) -> None:
    if producer is None:
        layer = tensor._keras_history.operation
        raise errors.RunError(
            f"Layer {layer.name!r} ({type(layer).__name__}) is called more than once; "
            "only layers that are called once can be converted. Give each call a layer "
            "of its own."
        )


def assign_blocks(model: keras.Model) -> dict[str, str]:
    """Returns the block of each layer, the blocks in order; see `group_blocks`.

    The model may call layers more than once, as gated networks call their gates.

    Example:
        >>> assign_blocks(backbone)["stage1_block1_conv"]
        'stage1_block1'
    """
    blocks, current = {}, "stem"
    for layer in model.layers:
        match = _BLOCK_NAME.match(layer.name)
        current = match.group(1) if match else current
        blocks[layer.name] = current
    return blocks


def group_blocks(model: keras.Model) -> dict[str, list[str]]:
    """Returns the model's blocks: block name to the names of its layers, in order.

    A block is what the usual names of Keras' backbones call one, such as
    `conv4_block2`. Layers without a block in their name belong to the block before
    them; the ones in front of the first block are the block "stem". Without such names
    (ConvNeXt, InceptionV3, a network of the user's) a block ends where branches meet
    and nothing goes past. Networks without such places (NASNet, whose cells read the
    two cells before) are a stem alone.
    """
    calls = list_calls(model)
    ends = _find_block_ends(calls)
    if len(ends) < 3:
        ends = []  # One block from end to end says nothing.
    has_names = any(_BLOCK_NAME.match(call.layer.name) for call in calls)
    blocks: dict[str, list[str]] = {"stem": []}
    current = "stem"
    for call in calls:
        match = _BLOCK_NAME.match(call.layer.name)
        current = match.group(1) if match else current
        blocks.setdefault(current, []).append(call.layer.name)
        if not has_names and call.layer.name in ends[:-1]:
            current = f"block{ends.index(call.layer.name) + 1}"
    return {name: layers for name, layers in blocks.items() if layers}


def _find_block_ends(calls: list[Call]) -> list[str]:
    """Returns where the stem ends, then where each block does."""
    bottlenecks = list_bottlenecks(calls)
    ends, before = [], None
    for call in calls:
        name = call.layer.name
        if name in bottlenecks:
            if len(set(call.inputs)) > 1:
                ends += [name] if ends or before is None else [before, name]
            before = name
    return ends


def list_bottlenecks(calls: list[Call]) -> set[str]:
    """Returns the layers behind which nothing reads a layer that comes before them."""
    position = {call.layer.name: index for index, call in enumerate(calls)}
    found, earliest = set(), len(calls)
    for index in reversed(range(len(calls))):
        if earliest >= index:
            found.add(calls[index].layer.name)
        # The model's own input is no call.
        reads = [position.get(name, -1) for name in calls[index].inputs]
        earliest = min([earliest, *reads])
    return found
