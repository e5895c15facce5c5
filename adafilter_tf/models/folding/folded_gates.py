"""What is left of a network's gates when those that are constant are folded."""

import keras

from adafilter_tf import layers
from adafilter_tf.models import conversion, graph
from adafilter_tf.models.folding import constant_gates


class FoldedGates:
    """The gates of a folded network, made as its layers are called one by one.

    Args:
        model: The network that is folded.
        constants: See `constant_gates.find_constants`.
        images: Input of the folded network.

    Attributes:
        constants: The same.
        choices: By layer, the gates that depend on the image, [B, d].
    """

    def __init__(self, model: keras.Model, constants: dict, images):
        self.constants = constants
        self.choices: dict[str, keras.KerasTensor] = {}
        self._filled: dict[str, keras.KerasTensor] = {}
        self._model = model
        self._taken = {layer.name for layer in model.layers}
        self._images = images
        self._network = self._create_network()

    def free_name(self, name: str) -> str:
        """Returns a name for a new layer, this one if no layer of the model has it."""
        return graph.free_name(name, self._taken)

    def list_dependent(self, name: str) -> list[int]:
        """Returns which filters of a layer depend on the image."""
        depends = constant_gates.depends_on_image(self.constants[name])
        return [int(i) for i in depends.nonzero()[0]]

    def fill(self, name: str) -> keras.KerasTensor:
        """Returns all gates of a layer, [B, N]."""
        if name not in self._filled:
            dependent = self.list_dependent(name)
            values = self.constants[name].tolist()
            for index in dependent:
                values[index] = None
            fill = layers.FilledGates(values, name=self.free_name(f"{name}_gates"))
            reads = [self.choices[name]] if dependent else []
            self._filled[name] = fill(self._images, *reads)
        return self._filled[name]

    def find_choice(self, name) -> int | None:
        """Returns the branch that every image chooses for every filter, if so."""
        values = set(self.constants[name].tolist())
        return int(values.pop()) if values in ({0.0}, {1.0}) else None

    def step(self, source, inputs, *state, step=0):
        """Calls the gate network, or gives back what nobody will read."""
        name = source.layer_names[step]
        if self._network is None or name not in self._network.layer_names:
            return (inputs,) * 3
        index = self._network.layer_names.index(name)
        return self._network(inputs, *state, step=index)

    def choose(self, source, probabilities):
        """Calls the gate of a layer with filters that depend on the image."""
        name = source.name.removesuffix("_gate")
        if not self.list_dependent(name):
            return probabilities
        gate = type(source).from_config(source.get_config())
        self.choices[name] = gate(probabilities)
        return self.choices[name]

    def route(self, source, tuned, frozen, block_choices):
        """Returns the end of a block: one copy's output, or each image's."""
        name = source.name.removesuffix("_route")
        if not self.list_dependent(name):
            return tuned if self.constants[name][0] else frozen
        self.choices[name] = block_choices[:, source.block : source.block + 1]
        return type(source).from_config(source.get_config())(
            tuned, frozen, block_choices
        )

    def _create_network(self):
        networks = [
            layer
            for layer in self._model.layers
            if isinstance(layer, layers.GateNetwork)
        ]
        if not networks:
            return None
        (source,) = networks
        needed = self._list_steps(source)
        if not needed:
            return None
        names = [source.layer_names[step] for step in needed]
        dependent = [self.list_dependent(name) for name in names]
        network = type(source)(
            layer_names=names,
            channels=[source.channels[step] for step in needed],
            # A step that only hands its state on still has one logit, which is not
            # computed.
            filters=[max(len(filters), 1) for filters in dependent],
            units=source.units,
            temperature=source.temperature,
            name=source.name,
        )
        network.build((None, source.channels[0]))
        if isinstance(source, layers.RecurrentGateCell):
            conversion.copy_weights(source.cell, network.cell)
        for step, filters, embedding, logits in zip(
            needed, dependent, network.embeddings, network.filter_logits, strict=True
        ):
            conversion.copy_weights(source.embeddings[step], embedding)
            kernel, bias = source.filter_logits[step].get_weights()
            logits.set_weights([kernel[:, filters or [0]], bias[filters or [0]]])
        return network

    def _list_steps(self, source) -> list[int]:
        """Returns the steps of which a gate or a later step needs something."""
        steps = range(len(source.layer_names))
        dependent = [i for i in steps if self.list_dependent(source.layer_names[i])]
        if isinstance(source, layers.RecurrentGateCell) and dependent:
            return list(range(dependent[-1] + 1))
        return dependent
