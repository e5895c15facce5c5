"""From a pre-trained convolutional network to its gated network."""

import dataclasses

import keras

from adafilter_tf import layers
from adafilter_tf.layers import filter_gate
from adafilter_tf.models import (
    conversion,
    freezing,
    gate_options,
    gate_plan,
    graph,
)

GATE_NETWORKS = {
    "recurrent": layers.RecurrentGateCell,
    "feedforward": layers.FeedforwardGate,
}


def add_gates(
    backbone: keras.Model,
    options: gate_options.GateOptions | None = None,
    **changes,
) -> keras.Model:
    """Turns a functional Keras CNN into its gated network, weights copied.

    Every convolution and dense layer gets a frozen and a tuned filter bank, every batch
    norm, layer norm and layer scale a frozen and a tuned set of terms, and one gate
    network named "recurrent_gate" or "feedforward_gate" chooses between them for each
    image. A norm or scale that directly follows a convolution or dense layer shares its
    gates; any other one (pre-activation networks, DenseNet) has gates of its own.
    Gates of 0 are exactly the pre-trained network, gates of 1 exactly fine-tuning. The
    gates of layer X are the output of the layer "X_gate". A layer that is called again
    has the same banks and gates of its own, "X_call2_gate". Models inside the backbone
    become layers of it. A layer with `trainable=False` stays frozen and ungated.

    Args:
        backbone: Functional model with one input [B, H, W, C], channels last.
        options: How to gate; None for the defaults of `GateOptions`.
        **changes: Fields of `GateOptions` that replace those of `options`, such as
            `gate_policy="soft"`.

    Returns:
        A functional model with the input and output shapes of the backbone. It shares
        no weight with the backbone.

    Raises:
        RunError: When a layer with weights cannot be converted (the message names it),
            when the backbone has gates already, when `gate_from` names no layer, or
            when nothing is left to gate.
        UsageError: When `GateOptions` refuses a value.

    Example:
        >>> gated = add_gates(backbone, gate_from="stage1", gate_policy="soft")
        >>> gated.get_layer("stage1_block1_conv_gate").policy
        'soft'
    """
    options = dataclasses.replace(options or gate_options.GateOptions(), **changes)
    backbone = gate_plan.free_names(backbone, _list_gates)
    plan = gate_plan.plan_gates(
        backbone, options.gate_from, gated_batch_norm=options.gated_batch_norm
    )
    network = GATE_NETWORKS[options.gate_network](
        layer_names=list(plan.filters),
        channels=list(plan.channels.values()),
        filters=list(plan.filters.values()),
        units=options.gate_units,
        initial_bias=options.gate_initial_bias,
        temperature=options.gate_temperature,
        name=f"{options.gate_network}_gate",
    )
    walk = _Walk(plan, network, options)
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
    # Forced and random gates give the network no gradient; set after build, so that it
    # reaches the weights.
    network.trainable = options.gate_policy in filter_gate.LEARNED_POLICIES
    gated.name = f"{backbone.name}_gated"
    _copy_weights(backbone, gated, plan)
    return gated


class _Walk:
    """Converts and calls a backbone's layers one by one, the gates' state in hand."""

    def __init__(
        self,
        plan: gate_plan.Plan,
        network: layers.RecurrentGateCell | layers.FeedforwardGate,
        options: gate_options.GateOptions,
    ):
        self._plan = plan
        self._network = network
        self._options = options
        # What the network hands from layer to layer; a feedforward one nothing.
        self._state = ()
        # Call of a filter layer to the frozen branch, the tuned branch and the gates of
        # its norm or scale.
        self._branches: dict[str, tuple] = {}
        # clone_model calls the layers in this order.
        self._calls = iter(plan.calls)
        self._noise = freezing.list_frozen_noise(plan.calls, plan.frozen)

    def convert(self, layer):
        """Returns the gated form of a layer, or a copy of it, without weights."""
        if layer.name in self._plan.gated_layers:
            return conversion.convert(layer, self._options.frozen_statistics)
        clone = conversion.clone_layer(layer)
        if layer.name in self._plan.frozen and isinstance(clone, keras.Layer):
            clone.trainable = False
        return clone

    def call(self, layer, *args, **kwargs):
        """Calls a converted layer on what the backbone's layer reads."""
        name = next(self._calls).name
        if name in self._noise:
            return freezing.pass_through(layer, name)(*graph.list_tensors(args, kwargs))
        if layer.name not in self._plan.gated_layers:
            return layer(*args, **kwargs)
        # The layer may have been called as layer(inputs=x).
        (inputs,) = graph.list_tensors(args, kwargs)
        if name in self._plan.channel_calls:
            owner = self._plan.channel_calls[name]
            reads = self._branches.get(owner) if owner else None
            reads = reads or (inputs, inputs, self._gate(name, inputs))
            # Of Keras' call arguments, such as an empty mask, only this one counts.
            options = {k: v for k, v in kwargs.items() if k == "training"}
            return layer(*reads, **options)
        gates = self._gate(name, inputs)
        if name not in self._plan.channel_calls.values():
            return layer(inputs, gates)
        frozen, tuned = layer(inputs)
        self._branches[name] = (frozen, tuned, gates)
        return frozen

    def _gate(self, name, inputs):
        step = self._network.layer_names.index(name)
        outputs = self._network(inputs, *self._state, step=step)
        probabilities, *self._state = keras.tree.flatten(outputs)
        # Each filter weighs the same, in a narrow layer and in a wide one.
        fraction = self._plan.filters[name] / sum(self._plan.filters.values())
        return layers.FilterGate(
            self._options.gate_policy,
            self._options.gate_noise,
            tuned_penalty=self._options.tuned_penalty * fraction,
            dependence_penalty=self._options.dependence_penalty * fraction,
            inference=self._options.inference_gates,
            name=f"{name}_gate",
        )(probabilities)


def _list_gates(backbone: keras.Model) -> list[str]:
    return [f"{call.name}_gate" for call in graph.list_calls(backbone)]


def _copy_weights(backbone: keras.Model, gated: keras.Model, plan) -> None:
    """Copies each weight of the backbone, into both branches of a gated layer."""
    for source in backbone.layers:
        if not source.weights:
            continue
        target = gated.get_layer(source.name)
        if source.name in plan.gated_layers:
            conversion.copy_to_branches(source, target)
        else:
            conversion.copy_weights(source, target)
