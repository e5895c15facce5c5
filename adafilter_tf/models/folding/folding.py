"""From a trained network to the smallest one that computes the same at inference."""

import dataclasses
from collections.abc import Mapping

import keras

from adafilter_tf import layers
from adafilter_tf.models import conversion, graph, inlining
from adafilter_tf.models.folding import (
    constant_gates,
    dependent_filters,
    filter_bank,
    fold_plan,
    folded_gates,
    separate_calls,
)

FOLDS = ("exact", "calibrated", "none")


@dataclasses.dataclass(frozen=True, eq=False)
class FoldedNetwork:
    """A network for inference alone, and what is left of its gates.

    Attributes:
        model: Of the input and output of the network that was folded.
        gates: As `choices.list_gates` of that network, from the input of `model`.
        num_filters: Number of filters of each gated layer, or 1 of a routed block.
        num_dependent: How many of them depend on the image.
        kept: Names of the batch norms that could not be folded, and of the gated layers
            that keep both filter banks.
    """

    model: keras.Model
    gates: dict[str, keras.KerasTensor]
    num_filters: dict[str, int]
    num_dependent: dict[str, int]
    kept: tuple[str, ...]

    @property
    def dependent_fraction(self) -> float:
        """Share of the filters whose gate depends on the image."""
        total = sum(self.num_filters.values())
        return sum(self.num_dependent.values()) / total if total else 0.0


def fold(model: keras.Model, constants: Mapping | None = None) -> FoldedNetwork:
    """Folds a trained network for inference.

    - A batch norm or layer scale that alone reads a convolution or dense layer becomes
      part of its kernel and bias.
    - A filter whose gate is constant keeps the branch that the gate chooses, or the
      blend of both; of a convolution with d filters that depend on the image there are
      left one of all filters and one of d (`layers.AddedFilters`).
    - The gate network keeps the steps up to the last layer with such a filter.
    - Of a routed block with a constant choice one copy is left, and without any choice
      no policy network.
    - A kernel with a change of low rank becomes their sum, and layers that act in
      training alone are left out.

    Depthwise, grouped and separable convolutions with a filter that depends on the
    image, and those whose branches a layer norm reads, keep both banks whole.

    Args:
        model: Functional, of one input and one output.
        constants: See `constant_gates.calibrate`; None folds only what no image can
            change (`constant_gates.find_constants`).
    """
    model = inlining.inline_models(inlining.strip_training_only_layers(model))
    model = separate_calls.separate_calls(model)
    known = constant_gates.find_constants(model)
    for name, values in (constants or {}).items():
        # What is proven stays proven, whatever images were tried.
        unknown = constant_gates.depends_on_image(known[name])
        known[name][unknown] = values[unknown]
    taken = {call.layer.name for call in graph.list_calls(model)}
    images = keras.Input(
        batch_shape=model.input.shape,
        dtype=model.input.dtype,
        name=graph.free_name("images", taken),
    )
    gates = folded_gates.FoldedGates(model, known, images)
    walk = _Walk(model, gates)
    folded = keras.models.clone_model(
        model,
        input_tensors=keras.tree.map_structure(lambda _: images, model.input),
        clone_function=walk.convert,
        call_function=walk.call,
    )
    folded = keras.Model(images, folded.outputs[0], name=model.name)
    names = {layer.name for layer in folded.layers}
    return FoldedNetwork(
        model=folded,
        gates={name: gates.fill(name) for name in known},
        num_filters={name: len(values) for name, values in known.items()},
        num_dependent={name: len(gates.list_dependent(name)) for name in known},
        kept=tuple(name for name in walk.kept if name in names),
    )


class _Walk:
    """Calls a network's layers one by one, folded.

    Attributes:
        kept: Names of what stays as it is.
    """

    def __init__(self, model: keras.Model, gates: folded_gates.FoldedGates):
        self.kept: list[str] = []
        self._model = model
        self._gates = gates
        self._plan = fold_plan.plan_fold(model)
        self._clones: dict[str, object] = {}
        # Norm or scale to the gated layer before it and what that reads.
        self._waiting: dict[str, tuple] = {}

    def convert(self, layer):
        """Returns a copy of a layer with its weights, or itself when it is replaced."""
        replaced = (
            *filter_bank.GATED_FILTERS,
            *filter_bank.GATED_AFFINE,
            layers.GateNetwork,
            layers.FilterGate,
            layers.GatedLayerNormalization,
            layers.BlockRoute,
        )
        if layer.name in self._plan.followers or isinstance(layer, replaced):
            return layer
        if layer.name not in self._clones:
            clone = conversion.clone_layer(layer)
            self._clones[layer.name] = clone
        return self._clones[layer.name]

    def call(self, layer, *args, **kwargs):
        """Calls a layer in its folded form."""
        if isinstance(layer, layers.GateNetwork):
            return self._gates.step(layer, *args, **kwargs)
        if isinstance(layer, layers.FilterGate):
            return self._gates.choose(layer, *args)
        if isinstance(layer, layers.BlockRoute):
            return self._gates.route(layer, *args)
        if layer.name in self._waiting:
            source, inputs = self._waiting.pop(layer.name)
            return self._fold_filters(source, inputs)
        # The layer may have been called as layer(inputs=x).
        tensors = graph.list_tensors(args, kwargs)
        if layer.name in self._plan.folded:
            return tensors[0]
        if layer.name in self._plan.followers:
            return self._meet_filters(layer, *tensors)
        if isinstance(layer, filter_bank.GATED_AFFINE):
            return self._fold_affine(layer, *tensors)
        if isinstance(layer, layers.GatedLayerNormalization):
            return self._fold_layer_norm(layer, *tensors)
        outputs = layer(*args, **kwargs)
        if isinstance(layer, keras.Layer) and layer.weights:
            conversion.copy_weights(self._model.get_layer(layer.name), layer)
            if isinstance(layer, keras.layers.BatchNormalization):
                self.kept.append(layer.name)
        return outputs

    # The filters.

    def _meet_filters(self, layer, inputs, gates=None):
        followers = self._plan.followers[layer.name]
        if isinstance(layer, filter_bank.GATED_FILTERS) and gates is None:
            if layer.name not in self._plan.norms.values():
                # Its gates may not be there yet; what reads its branches has them.
                self._waiting[followers[0]] = (layer, inputs)
                return inputs, inputs
            if self._gates.find_choice(layer.name) is None:
                return self._keep(layer, inputs)
            return (self._fold_filters(layer, inputs),) * 2
        return self._fold_filters(layer, inputs)

    def _fold_filters(self, layer, inputs):
        if type(layer) in filter_bank.PLAIN_FILTERS:
            bank = self._fold_followers(layer.name, filter_bank.read_bank(layer))
            return self._create(layer, bank, inputs, activation=layer.activation)
        frozen, tuned = (
            self._fold_followers(layer.name, filter_bank.read_bank(layer, of), of)
            for of in ("frozen", "tuned")
        )
        choice = self._gates.find_choice(layer.name)
        if choice is not None:
            bank = (frozen, tuned)[choice]
            return self._create(layer, bank, inputs, activation=layer.activation)
        if isinstance(layer, layers.GatedSeparableConv2D):
            return self._keep_banks(layer, frozen, tuned, inputs)
        return self._blend(layer, frozen, tuned, inputs)

    def _fold_followers(self, name, bank, branch=None):
        for follower in self._plan.followers[name]:
            layer = self._model.get_layer(follower)
            gated = isinstance(layer, filter_bank.GATED_AFFINE)
            bank = bank.scale(
                *filter_bank.read_affine(layer, branch if gated else None)
            )
        return bank

    def _blend(self, layer, frozen, tuned, inputs):
        """Calls one filter bank, and what of it depends on the image."""
        name = layer.name
        filters = self._gates.list_dependent(name)
        constants = self._gates.constants[name].astype("float64")
        constants[filters] = 0.0
        base = frozen.blend(tuned, constants)
        if not filters:
            return self._create(layer, base, inputs, activation=layer.activation)
        return dependent_filters.call_filters(
            layer,
            base,
            tuned.subtract(frozen),
            filters,
            self._gates.choices[name],
            lambda: self._gates.fill(name),
            inputs,
            self._gates.free_name,
        )

    def _create(self, layer, bank, inputs, **options):
        options = {"name": layer.name, **options}
        return filter_bank.create_filters(layer, bank, inputs, **options)(inputs)

    def _keep_banks(self, layer, frozen, tuned, inputs):
        """Calls a gated layer whose banks took in what follows it."""
        config = {**layer.get_config(), "use_bias": True}
        kept = type(layer).from_config(config)
        kept.build(inputs.shape)
        for branch, bank in (("frozen", frozen), ("tuned", tuned)):
            for name, kernel in bank.kernels.items():
                getattr(kept, f"{branch}_{name}").assign(kernel)
            getattr(kept, f"{branch}_bias").assign(bank.filled_bias)
        self.kept.append(layer.name)
        return kept(inputs, self._gates.fill(layer.name))

    def _keep(self, layer, *inputs):
        """Calls a copy of a layer."""
        kept = type(layer).from_config(layer.get_config())
        outputs = kept(*inputs)
        conversion.copy_weights(layer, kept)
        self.kept.append(layer.name)
        return outputs

    # Norms and scales that are not part of a convolution.

    def _fold_affine(self, layer, frozen, tuned, gates):
        if self._gates.list_dependent(layer.name):
            return self._keep(layer, frozen, tuned, self._gates.fill(layer.name))
        constants = self._gates.constants[layer.name].astype("float64")
        scale, offset = filter_bank.blend_affine(layer, constants)
        return filter_bank.create_affine(layer, scale, offset, frozen)(frozen)

    def _fold_layer_norm(self, layer, frozen, tuned, gates):
        owner = self._plan.norms.get(layer.name)
        # Both branches of a norm of its own are one tensor, with one mean.
        constant = not self._gates.list_dependent(owner or layer.name)
        if owner and self._gates.find_choice(owner) is None or not constant:
            gates = self._gates.fill(owner or layer.name)
            return self._keep(layer, frozen, tuned, gates)
        constants = self._gates.constants[owner or layer.name].astype("float64")
        return filter_bank.create_layer_norm(layer, constants, frozen)(frozen)
