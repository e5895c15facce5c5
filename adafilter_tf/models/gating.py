"""From a pre-trained convolutional network to its gated network."""

import functools
from collections.abc import Callable

import keras

from adafilter_tf import errors, layers
from adafilter_tf.layers import filter_gate
from adafilter_tf.models import conversion, gate_plan, inlining

GATE_NETWORKS = {
    "recurrent": layers.RecurrentGateCell,
    "feedforward": layers.FeedforwardGate,
}


def add_gates(
    backbone: keras.Model,
    *,
    gate_from: str | None = None,
    gate_units: int = 64,
    gate_initial_bias: float = 0.0,
    gate_temperature: float = 1.0,
    gate_policy: str = "learned",
    gate_network: str = "recurrent",
    gated_batch_norm: bool = True,
    frozen_statistics: str = "fixed",
    gate_noise: float = 0.0,
    tuned_penalty: float = 0.0,
    dependence_penalty: float = 0.0,
) -> keras.Model:
    """Turns a functional Keras CNN into its gated network, weights copied.

    Every convolution and dense layer gets a frozen and a tuned filter bank, every batch
    norm, layer norm and layer scale a frozen and a tuned set of terms, and one
    `RecurrentGateCell` named "recurrent_gate" chooses between them for each image. A
    norm or scale that directly follows a convolution or dense layer shares its gates;
    any other one (pre-activation networks, DenseNet) has gates of its own, so that
    gates of 0 are the pre-trained network and gates of 1 are fine-tuning, whole and
    exactly. The gates of layer X are the output of the layer "X_gate". Models inside
    the backbone become layers of it. The paper's ablations are options.

    Args:
        backbone: Functional model with one input [B, H, W, C], channels last.
        gate_from: Name, or start of the name, of the first layer to gate, such as
            "conv4"; the layers before it stay frozen and ungated. None gates all.
        gate_units: Width of the gate network.
        gate_initial_bias: See `RecurrentGateCell`.
        gate_temperature: Likewise.
        gate_policy: See `FilterGate`.
        gate_network: "recurrent", or "feedforward" for a `FeedforwardGate` named
            "feedforward_gate".
        gated_batch_norm: False keeps one plain batch norm, which trains, in the place
            of each gated one; it reads the blended outputs of both filter banks. Layer
            norms and layer scales stay gated.
        frozen_statistics: See `GatedBatchNormalization`.
        gate_noise: Share of the gates that are drawn in training, see `FilterGate`.
        tuned_penalty: Added to the loss, times the share of tuned filters: the mean of
            the gates over images and over all filters of the network.
        dependence_penalty: Likewise, times how much the choices of a batch differ
            between its images, see `FilterGate`.

    Returns:
        A functional model with the input and output shapes of the backbone. It shares
        no weight with the backbone.

    Raises:
        RunError: When a layer with weights cannot be converted (the message names it),
            when `gate_from` names no layer, or when nothing is left to gate.
        UsageError: When the gate network is unknown.
    """
    if gate_network not in GATE_NETWORKS:
        raise errors.UsageError(
            f"Received gate_network={gate_network!r}; allowed are "
            f"{', '.join(GATE_NETWORKS)}."
        )
    backbone = inlining.inline_models(backbone)
    plan = gate_plan.plan_gates(backbone, gate_from, gated_batch_norm=gated_batch_norm)
    network = GATE_NETWORKS[gate_network](
        layer_names=list(plan.filters),
        channels=list(plan.channels.values()),
        filters=list(plan.filters.values()),
        units=gate_units,
        initial_bias=gate_initial_bias,
        temperature=gate_temperature,
        name=f"{gate_network}_gate",
    )
    create_gate = functools.partial(layers.FilterGate, gate_policy, gate_noise)
    penalties = {
        "tuned_penalty": tuned_penalty,
        "dependence_penalty": dependence_penalty,
    }
    walk = _Walk(plan, network, create_gate, frozen_statistics, penalties)
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
    network.trainable = gate_policy in filter_gate.LEARNED_POLICIES
    gated.name = f"{backbone.name}_gated"
    _copy_weights(backbone, gated, plan)
    return gated


class _Walk:
    """Converts and calls a backbone's layers one by one, the gates' state in hand."""

    def __init__(
        self,
        plan: gate_plan.Plan,
        network: layers.RecurrentGateCell | layers.FeedforwardGate,
        create_gate: Callable[..., layers.FilterGate],
        frozen_statistics: str,
        penalties: dict[str, float],
    ):
        self._plan = plan
        self._network = network
        self._create_gate = create_gate
        self._frozen_statistics = frozen_statistics
        self._penalties = penalties
        # What the network hands from layer to layer; a feedforward one nothing.
        self._state = ()
        # Filter layer to the frozen branch, the tuned branch and the gates of its
        # norm or scale.
        self._branches: dict[str, tuple] = {}

    def convert(self, layer):
        """Returns the gated form of a layer, or a copy of it, without weights."""
        if layer.name in (*self._plan.filter_layers, *self._plan.channel_layers):
            return conversion.convert(layer, self._frozen_statistics)
        clone = type(layer).from_config(layer.get_config())
        if layer.name in self._plan.frozen and isinstance(clone, keras.Layer):
            clone.trainable = False
        return clone

    def call(self, layer, *args, **kwargs):
        """Calls a converted layer on what the backbone's layer reads."""
        name = layer.name
        if name in self._plan.channel_layers:
            reads = self._branches.get(self._plan.channel_layers[name])
            reads = reads or (*args, *args, self._gate(name, *args))
            # Of Keras' call arguments, such as an empty mask, only this one counts.
            options = {k: v for k, v in kwargs.items() if k == "training"}
            return layer(*reads, **options)
        if name not in self._plan.filter_layers:
            return layer(*args, **kwargs)
        gates = self._gate(name, *args)
        if name not in self._plan.channel_layers.values():
            return layer(*args, gates)
        frozen, tuned = layer(*args)
        self._branches[name] = (frozen, tuned, gates)
        return frozen

    def _gate(self, name, inputs):
        step = self._network.layer_names.index(name)
        outputs = self._network(inputs, *self._state, step=step)
        probabilities, *self._state = keras.tree.flatten(outputs)
        # Each filter weighs the same, in a narrow layer and in a wide one.
        share = self._plan.filters[name] / sum(self._plan.filters.values())
        return self._create_gate(
            **{penalty: of * share for penalty, of in self._penalties.items()},
            name=f"{name}_gate",
        )(probabilities)


def _copy_weights(backbone: keras.Model, gated: keras.Model, plan) -> None:
    """Copies each weight of the backbone, into both branches of a gated layer."""
    converted = plan.filter_layers | plan.channel_layers.keys()
    for source in backbone.layers:
        if not source.weights:
            continue
        target = gated.get_layer(source.name)
        if source.name in converted:
            conversion.copy_to_branches(source, target)
        else:
            conversion.copy_weights(source, target)
