"""From a pre-trained convolutional network to SpotTune's: two copies of each block."""

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import (
    conversion,
    freezing,
    gate_plan,
    graph,
)

_PIXEL_LAYERS = (layers.PixelNormalization, *conversion.CONSTANT_LAYERS)


def add_routing(
    backbone: keras.Model, *, policy_temperature: float = 5.0
) -> keras.Model:
    """Gives every block of a backbone a frozen and a tuned copy, weights copied.

    A `PolicyNetwork` named "policy_network" sees the normalized image and decides once
    for all blocks; the copies of a block read the same input, the blend of the block
    before, and a `BlockRoute` at their end blends their outputs. Blocks are those of
    `graph.group_blocks`. The stem has one copy, which is tuned: the paper's are the
    residual blocks, and its authors' code trains the first convolution. Layers behind
    the last block belong to it.

    The tuned copy keeps its layers' names, the frozen one of layer X is "X_frozen". It
    is frozen with its batch norms' terms and statistics, and adds no noise.

    Args:
        backbone: Functional model with one input [B, H, W, C], channels last.
        policy_temperature: See `layers.BlockChoice`.

    Returns:
        A functional model with the input and output shapes of the backbone. It shares
        no weight with the backbone.

    Raises:
        RunError: When the backbone has no blocks, or when something outside a block
            reads another layer of it than the last one; the message names the block.

    Example:
        >>> routed = add_routing(backbone)
        >>> list(adafilter_tf.list_gates(routed))
        ['stage1_block1']
    """
    backbone = gate_plan.free_names(backbone, _list_added)
    walk = _Walk(backbone, policy_temperature)
    images = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name="images"),
        backbone.input,
    )
    walk.pixels = keras.tree.flatten(images)[0]
    routed = keras.models.clone_model(
        backbone,
        input_tensors=images,
        clone_function=conversion.clone_layer,
        call_function=walk.call,
    )
    routed.name = f"{backbone.name}_routed"
    _copy_weights(backbone, routed)
    return routed


class _Walk:
    """Calls a backbone's layers one by one, and the frozen copy of those in a block.

    Attributes:
        pixels: What the policy network reads: the images, or the last of the layers
            that normalize them.
    """

    def __init__(self, backbone: keras.Model, temperature: float):
        blocks = _find_blocks(backbone)
        self.pixels = None
        self._block_of = {
            name: index for index, names in enumerate(blocks.values()) for name in names
        }
        self._ends = {names[-1]: block for block, names in blocks.items()}
        self._pixel_layers = _find_pixel_layers(backbone)
        self._policy = layers.PolicyNetwork(
            len(blocks),
            synchronized=any(
                getattr(layer, "synchronized", False) for layer in backbone.layers
            ),
            name="policy_network",
        )
        self._choose = layers.BlockChoice(temperature, name="block_choice")
        self._choices = None
        # Inside a block: a tensor of the tuned copy to that of the frozen one.
        self._frozen: dict[int, keras.KerasTensor] = {}

    def call(self, layer, *args, **kwargs):
        """Calls a layer; returns the tuned copy's output, or a block's blended one."""
        name = layer.name
        outputs = layer(*args, **kwargs)
        if name in self._pixel_layers:
            self.pixels = outputs
        if name not in self._block_of:
            return outputs
        frozen_args, frozen_kwargs = keras.tree.map_structure(
            lambda x: self._frozen.get(id(x), x), (args, kwargs)
        )
        frozen = _freeze(layer)(*frozen_args, **frozen_kwargs)
        if name in self._ends:
            return self._blend(name, outputs, frozen)
        for tensor, counterpart in zip(
            keras.tree.flatten(outputs), keras.tree.flatten(frozen), strict=True
        ):
            self._frozen[id(tensor)] = counterpart
        return outputs

    def _blend(self, name, tuned, frozen):
        if self._choices is None:
            self._choices = self._choose(self._policy(self.pixels))
        route = layers.BlockRoute(
            self._block_of[name], dtype=tuned.dtype, name=f"{self._ends[name]}_route"
        )
        return route(tuned, frozen, self._choices)


def _list_added(backbone: keras.Model) -> set[str]:
    frozen = {f"{call.name}_frozen" for call in graph.list_calls(backbone)}
    return frozen | {f"{block}_route" for block in graph.group_blocks(backbone)}


def _freeze(layer):
    if not isinstance(layer, keras.Layer):
        return layer  # An operation without weights serves both copies.
    name = f"{layer.name}_frozen"
    if isinstance(layer, freezing.NOISE_LAYERS):
        return freezing.pass_through(layer, name)
    clone = conversion.clone_layer(layer, name=name)
    clone.trainable = False
    return clone


def _find_blocks(backbone: keras.Model) -> dict[str, list[str]]:
    """Returns the blocks without the stem; each is read at its last layer alone."""
    gate_plan.check_ends(backbone)
    calls = graph.list_calls(backbone)
    for call in calls:
        if call.name != call.layer.name:
            raise errors.RunError(
                f"Layer {call.layer.name!r} ({type(call.layer).__name__}) is called "
                "more than once; spottune needs a layer for each call. Give each call "
                "a layer of its own, or use another method."
            )
    blocks = graph.group_blocks(backbone)
    blocks.pop("stem", None)
    if not blocks:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has no blocks to route: neither do its "
            "layers have names such as conv4_block2_out, nor do branches meet where "
            "nothing goes past. Use another backbone for spottune."
        )
    block_of = {name: block for block, names in blocks.items() for name in names}
    reads = [(source, call.layer.name) for call in calls for source in call.inputs]
    (output,) = backbone.outputs
    reads.append((output._keras_history.operation.name, "the model's output"))
    for source, reader in reads:
        block = block_of.get(source)
        if block in (None, block_of.get(reader)) or source == blocks[block][-1]:
            continue
        raise errors.RunError(
            f"The block {block!r} cannot be routed: its layer {source!r} is read "
            f"outside of it, by {reader!r}, and only its last layer "
            f"{blocks[block][-1]!r} may be. Use another backbone for spottune."
        )
    return blocks


def _find_pixel_layers(backbone: keras.Model) -> set[str]:
    names = set()
    for call in graph.list_calls(backbone):
        if not isinstance(call.layer, _PIXEL_LAYERS):
            break
        names.add(call.layer.name)
    return names


def _copy_weights(backbone: keras.Model, routed: keras.Model) -> None:
    names = {layer.name for layer in routed.layers}
    for source in backbone.layers:
        for name in {source.name, f"{source.name}_frozen"} & names:
            conversion.copy_weights(source, routed.get_layer(name))
