"""The layers of a functional model in the order of their calls, and its blocks."""

import dataclasses
import itertools
import re

import keras

from adafilter_tf import errors

# ResNet: conv4_block2_1_conv; MobileNetV2: block_16_expand; EfficientNet: block7a_se;
# VGG: block5_conv3; the bundled ResNet: stage3_block2_conv1.
_BLOCK_NAME = re.compile(r"((?:conv|stage)\d+_block\d+|block_?\d+[a-z]?)(?:_|$)")


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer in a model.

    Attributes:
        layer: The layer (or stateless Keras operation).
        name: The layer's name at its first call; `<name>_call2` at the second, and so
            on.
        inputs: Names of the calls whose outputs it reads, or of the model's inputs.
        args, kwargs: What the layer is called with; tensors are the model's own.
        outputs: Its output tensors.
    """

    layer: keras.Layer
    name: str
    inputs: tuple[str, ...]
    args: tuple
    kwargs: dict
    outputs: tuple[keras.KerasTensor, ...]

    @property
    def tensors(self) -> list[keras.KerasTensor]:
        """The tensors that it reads, in their order."""
        return list_tensors(self.args, self.kwargs)


def list_calls(model: keras.Model) -> list[Call]:
    """Returns the calls of a functional model in Keras' order of execution.

    The order is topological and the one in which `keras.models.clone_model` calls
    layers. A block's projection shortcut and the last convolution of its main path lie
    at the same depth of the graph; in the ResNets of keras.applications the shortcut
    comes second.

    Raises:
        RunError: When the model is not functional.
    """
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise errors.RunError(
            f"Received a {type(model).__name__} as backbone; it must be a functional "
            "Keras model: build it with keras.Model(inputs, outputs)."
        )
    producers = {id(x): x._keras_history.operation.name for x in model.inputs}
    taken = {operation.name for operation in model.operations}
    called = set()
    calls = []
    for node in list_nodes(model):
        layer = node.operation
        name = layer.name
        if name in called:
            name = free_name(f"{name}_call2", taken, pattern=f"{name}_call{{}}")
        called.add(name)
        taken.add(name)
        inputs = tuple(producers[id(x)] for x in node.input_tensors)
        producers |= {id(x): name for x in node.output_tensors}
        calls.append(
            Call(
                layer,
                name,
                inputs,
                node.arguments.args,
                node.arguments.kwargs,
                tuple(node.output_tensors),
            )
        )
    return calls


def list_nodes(model: keras.Model) -> list:
    """Returns the nodes of a functional model but its inputs, in order of execution."""
    return [
        node
        for depth in sorted(model._nodes_by_depth, reverse=True)
        for node in model._nodes_by_depth[depth]
        if node.operation and not node.is_input
    ]


def list_tensors(args, kwargs) -> list[keras.KerasTensor]:
    """Returns the symbolic tensors among the arguments of a call, in their order."""
    flat = keras.tree.flatten((args, kwargs))
    return [x for x in flat if isinstance(x, keras.KerasTensor)]


def free_name(name: str, taken, pattern: str | None = None) -> str:
    """Returns a name, or the first numbered one after it that is not taken.

    Args:
        name: The name to take if it is free.
        taken: Names that are not free.
        pattern: Of the numbered names; `{name}_{number}` by default.
    """
    pattern = pattern or f"{name}_{{}}"
    numbered = (pattern.format(number) for number in itertools.count(2))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def assign_blocks(model: keras.Model) -> dict[str, str]:
    """Returns the block of each layer, the blocks in order; see `group_blocks`.

    Layers of models inside of the model count too, as their weights do.

    Example:
        >>> assign_blocks(backbone)["stage1_block1_conv"]
        'stage1_block1'
    """
    blocks, current = {}, "stem"
    for name in _list_layer_names(model):
        match = _BLOCK_NAME.match(name)
        current = match.group(1) if match else current
        blocks[name] = current
    return blocks


def _list_layer_names(model: keras.Model) -> list[str]:
    """Returns the names of a model's layers, with those of models among them."""
    names = []
    for layer in model.layers:
        names.append(layer.name)
        if isinstance(layer, keras.Model):
            names += _list_layer_names(layer)
    return names


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
    block_of: dict[str, str] = {}
    current = "stem"
    for call in calls:
        match = _BLOCK_NAME.match(call.layer.name)
        current = match.group(1) if match else current
        # Again at a later call: the layer belongs to the last block that calls it.
        block_of.pop(call.layer.name, None)
        block_of[call.layer.name] = current
        if not has_names and call.name in ends[:-1]:
            current = f"block{ends.index(call.name) + 1}"
    blocks: dict[str, list[str]] = {}
    for name, block in block_of.items():
        blocks.setdefault(block, []).append(name)
    return blocks


def _find_block_ends(calls: list[Call]) -> list[str]:
    """Returns the calls at which the stem ends, then each block."""
    bottlenecks = list_bottlenecks(calls)
    ends: list[str] = []
    before = None
    for call in calls:
        if call.name in bottlenecks:
            if len(set(call.inputs)) > 1:
                ends += [call.name] if ends or before is None else [before, call.name]
            before = call.name
    return ends


def list_bottlenecks(calls: list[Call]) -> set[str]:
    """Returns the calls behind which nothing reads a call that comes before them."""
    position = {call.name: index for index, call in enumerate(calls)}
    found, earliest = set(), len(calls)
    for index in reversed(range(len(calls))):
        if earliest >= index:
            found.add(calls[index].name)
        # The model's own input is not a call.
        reads = [position.get(name, -1) for name in calls[index].inputs]
        earliest = min([earliest, *reads])
    return found
