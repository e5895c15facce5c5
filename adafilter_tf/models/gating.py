"""From a pre-trained convolutional network to its gated network."""

import collections
import dataclasses

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import conversion, graph


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Which layers become gated ones.

    Attributes:
        convolutions: Names of the convolutions that get gates.
        batch_norms: Name of each gated batch norm to the name of the convolution whose
            branches it reads, or None where it follows no gated convolution and
            chooses by gates of its own.
        frozen: Names of the layers before the first gated one.
        channels, filters: Of each layer with gates of its own, in order.
    """

    convolutions: frozenset[str]
    batch_norms: dict[str, str | None]
    frozen: frozenset[str]
    channels: dict[str, int]
    filters: dict[str, int]


def add_gates(
    backbone: keras.Model,
    *,
    gate_from: str | None = None,
    gate_units: int = 64,
    gate_initial_bias: float = 0.0,
    gate_policy: str = "learned",
    frozen_statistics: str = "fixed",
) -> keras.Model:
    """Turns a functional Keras CNN into its gated network, weights copied.

    Every convolution gets a frozen and a tuned filter bank, every batch norm a frozen
    and a tuned set of terms, and one `RecurrentGateCell` named "recurrent_gate" chooses
    between them for each image. A batch norm that directly follows a convolution shares
    its gates; any other one (pre-activation networks, DenseNet) has gates of its own,
    so that gates of 0 are the pre-trained network and gates of 1 are fine-tuning, whole
    and exactly. The gates of layer X are the output of the layer "X_gate".

    Args:
        backbone: Functional model with one input [B, H, W, C], channels last.
        gate_from: Name, or start of the name, of the first layer to gate, such as
            "conv4"; the layers before it stay frozen and ungated. None gates all.
        gate_units: Width of the recurrent cell.
        gate_initial_bias: See `RecurrentGateCell`.
        gate_policy: See `FilterGate`.
        frozen_statistics: See `GatedBatchNormalization`.

    Returns:
        A functional model with the input and output shapes of the backbone. It shares
        no weight with the backbone.

    Raises:
        RunError: When a layer with weights cannot be converted (the message names it),
            when `gate_from` names no layer, or when nothing is left to gate.
    """
    plan = _plan(backbone, gate_from)
    cell = layers.RecurrentGateCell(
        layer_names=list(plan.filters),
        channels=list(plan.channels.values()),
        filters=list(plan.filters.values()),
        units=gate_units,
        initial_bias=gate_initial_bias,
        name="recurrent_gate",
    )
    walk = _Walk(plan, cell, gate_policy, frozen_statistics)
    images = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name="images"),
        backbone.input,
    )
    gated = keras.models.clone_model(
        backbone,
        input_tensors=images,
        clone_function=walk.convert,
        call_function=walk.call,
    )
    # Forced gates give the cell no gradient; set after build, so that it reaches the
    # weights.
    cell.trainable = gate_policy == "learned"
    gated.name = f"{backbone.name}_gated"
    _copy_weights(backbone, gated)
    return gated


def list_gates(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the gates [B, N] of each gated layer by its name, in deciding order.

    The dictionary is empty for a model without gates.
    """
    # The order of model.layers is not the one in which the gates are decided.
    return {
        name: model.get_layer(f"{name}_gate").output
        for cell in model.layers
        if isinstance(cell, layers.RecurrentGateCell)
        for name in cell.layer_names
    }


class _Walk:
    """Converts and calls a backbone's layers one by one, the gates' state in hand."""

    def __init__(
        self,
        plan: _Plan,
        cell: layers.RecurrentGateCell,
        gate_policy: str,
        frozen_statistics: str,
    ):
        self._plan = plan
        self._cell = cell
        self._gate_policy = gate_policy
        self._frozen_statistics = frozen_statistics
        self._state = (None, None)
        # Convolution to the frozen branch, the tuned branch and the gates of its
        # batch norm.
        self._branches: dict[str, tuple] = {}

    def convert(self, layer):
        """Returns the gated form of a layer, or a copy of it, without weights."""
        if layer.name in self._plan.convolutions:
            return conversion.convert_convolution(layer)
        if layer.name in self._plan.batch_norms:
            return conversion.convert_batch_norm(layer, self._frozen_statistics)
        clone = type(layer).from_config(layer.get_config())
        if layer.name in self._plan.frozen and isinstance(clone, keras.Layer):
            clone.trainable = False
        return clone

    def call(self, layer, *args, **kwargs):
        """Calls a converted layer on what the backbone's layer reads."""
        name = layer.name
        if name in self._plan.batch_norms:
            reads = self._branches.get(self._plan.batch_norms[name])
            reads = reads or (*args, *args, self._gate(name, *args))
            return layer(*reads, training=kwargs.get("training"))
        if name not in self._plan.convolutions:
            return layer(*args, **kwargs)
        gates = self._gate(name, *args)
        if name not in self._plan.batch_norms.values():
            return layer(*args, gates)
        frozen, tuned = layer(*args)
        self._branches[name] = (frozen, tuned, gates)
        return frozen

    def _gate(self, name, inputs):
        step = self._cell.layer_names.index(name)
        probabilities, *self._state = self._cell(inputs, *self._state, step=step)
        return layers.FilterGate(self._gate_policy, name=f"{name}_gate")(probabilities)


def _plan(backbone: keras.Model, gate_from: str | None) -> _Plan:
    calls = graph.list_calls(backbone)
    if len(backbone.inputs) != 1 or len(backbone.outputs) != 1:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has {len(backbone.inputs)} inputs and "
            f"{len(backbone.outputs)} outputs; it must have one of each."
        )
    start = _first_gated(calls, gate_from)
    frozen, gated = calls[:start], calls[start:]
    readers = collections.Counter(name for call in calls for name in call.inputs)
    convolutions, batch_norms, channels, filters = {}, {}, {}, {}
    for call in gated:
        layer = call.layer
        if type(layer) in conversion.CONVOLUTIONS:
            conversion.check_convolution(layer)
            convolutions[layer.name] = layer
        elif type(layer) in conversion.BATCH_NORMS:
            conversion.check_batch_norm(layer)
            (source,) = call.inputs
            paired = (
                source in convolutions
                and readers[source] == 1
                and convolutions[source].activation is keras.activations.linear
            )
            batch_norms[layer.name] = source if paired else None
            if paired:
                continue
        elif isinstance(layer, conversion.CONSTANT_LAYERS) or not getattr(
            layer, "trainable_variables", None
        ):
            continue
        else:
            raise errors.RunError(
                f"Layer {layer.name!r} of type {type(layer).__name__} has weights and "
                "no gated form; gated are Conv2D, DepthwiseConv2D and "
                "BatchNormalization. Set gate_from to a layer after it, or set its "
                "trainable to False to keep it frozen."
            )
        channels[layer.name] = layer.input.shape[-1]
        filters[layer.name] = layer.output.shape[-1]
    if not filters:
        raise errors.RunError(
            f"The backbone {backbone.name!r} has no convolution to gate from "
            f"{gate_from or 'its input'!r} on; choose an earlier gate_from."
        )
    return _Plan(
        convolutions=frozenset(convolutions),
        batch_norms=batch_norms,
        frozen=frozenset(call.layer.name for call in frozen),
        channels=channels,
        filters=filters,
    )


def _first_gated(calls: list[graph.Call], gate_from: str | None) -> int:
    if gate_from is None:
        return 0
    for index, call in enumerate(calls):
        if call.layer.name.startswith(gate_from):
            return index
    convolutions = [
        c.layer.name for c in calls if type(c.layer) in conversion.CONVOLUTIONS
    ]
    raise errors.RunError(
        f"Received gate_from={gate_from!r}; no layer of the backbone has a name that "
        f"starts so. Its convolutions are {', '.join(convolutions)}."
    )


def _copy_weights(backbone: keras.Model, gated: keras.Model) -> None:
    """Copies each weight of the backbone, into both branches of a gated layer."""
    for source in backbone.layers:
        if not source.weights:
            continue
        target = gated.get_layer(source.name)
        if isinstance(target, layers.GatedConv2D | layers.GatedBatchNormalization):
            for weight in source.weights:
                for branch in ("frozen", "tuned"):
                    # A copy for each: JAX refuses to update weights that share memory.
                    value = keras.ops.convert_to_numpy(weight).copy()
                    getattr(target, f"{branch}_{weight.name}").assign(value)
        else:
            target.set_weights(source.get_weights())
