"""From a functional model with models among its layers to a flat one."""

import collections
import inspect
import itertools
from collections.abc import Callable

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import conversion, graph


def inline_models(
    model: keras.Model, *, reserved: Callable[[str], bool] | None = None
) -> keras.Model:
    """Returns a model whose layers include those of the models inside of it.

    Args:
        model: Functional or Sequential; any other model is given back as it is.
        reserved: Whether a name is not free for a layer of the result.

    Returns:
        `model` itself when it is functional, has no model inside of it, no layer
        without weights that is called more than once and no layer of a reserved name.
        Else a flat functional model of the same function, which shares no weight with
        it. Its layers keep their names; a layer whose name is taken or reserved gets
        the name of its own model in front. A layer with weights that was called several
        times still is; one without weights is another layer at each call.

    Raises:
        RunError: When a Sequential model was never built.
    """
    if not _is_functional(model):
        return model
    model = _as_functional(model)
    operations = [call.layer for call in graph.list_calls(model)]
    if not (
        any(_is_functional(operation) for operation in operations)
        or _calls_again_without_weights(operations)
        or (reserved and any(reserved(operation.name) for operation in operations))
    ):
        return model
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name),
        model.input,
    )
    outputs, clones = call_layers(model, inputs, reserved=reserved)
    for source, clone in clones:
        conversion.copy_weights(source, clone)
    return keras.Model(inputs, outputs, name=model.name)


def call_layers(
    model: keras.Model,
    inputs,
    *,
    clone: Callable = conversion.clone_layer,
    reserved: Callable[[str], bool] | None = None,
) -> tuple[object, list[tuple[keras.Layer, keras.Layer]]]:
    """Calls a copy of each layer of a model, and of the models inside of it.

    Args:
        model: Functional or Sequential.
        inputs: What the copies read in the place of the model's input.
        clone: Function (layer, name=...) to a copy without weights.
        reserved: See `inline_models`.

    Returns:
        The outputs, and the pairs of a layer with weights and its copy.
    """
    walk = _Walk(model, clone, reserved)
    outputs = walk.call(model, inputs)
    return outputs, walk.copies


def _calls_again_without_weights(operations) -> bool:
    counts = collections.Counter(id(operation) for operation in operations)
    return any(
        counts[id(operation)] > 1 and not getattr(operation, "weights", None)
        for operation in operations
    )


def strip_training_only_layers(model: keras.Model) -> keras.Model:
    """Returns a model without the layers that act in training alone.

    A network inside of one of them stays a model inside of the result.
    """
    acting = (layers.L2SPPenalty, layers.BatchSpectralShrinkage)

    def clone(layer):
        if isinstance(layer, acting) or not isinstance(layer, keras.Layer):
            return layer
        return conversion.clone_layer(layer)

    def call(layer, *args, **kwargs):
        if isinstance(layer, layers.L2SPPenalty):
            return layer.network(*args, training=False)
        if isinstance(layer, layers.BatchSpectralShrinkage):
            return args[0]
        outputs = layer(*args, **kwargs)
        if isinstance(layer, keras.Layer):
            conversion.copy_weights(model.get_layer(layer.name), layer)
        return outputs

    if not any(isinstance(layer, acting) for layer in model.layers):
        return model
    return keras.models.clone_model(model, clone_function=clone, call_function=call)


class _Walk:
    """Copies and calls a model's layers one by one, and those of models inside of it.

    Attributes:
        copies: Pairs of a layer with weights and its copy, without weights.
    """

    def __init__(self, model, clone, reserved):
        self.copies: list[tuple[keras.Layer, keras.Layer]] = []
        self._clone = clone
        self._reserved = reserved or (lambda name: False)
        self._shared: dict[int, keras.Layer] = {}
        self._copied: set[int] = set()
        # The gates of layer X are those of the layer X_gate: a gated network inside of
        # another model keeps its names.
        self._kept = _list_names_beside_gates(model)
        self._names: set[str] = set()

    def call(self, layer, *args, owner=None, training=None, **kwargs):
        """Calls a copy, or in the place of a model its layers."""
        if _is_functional(layer):
            # As clone_model does, which would make a model of the result.
            return _as_functional(layer)._run_through_graph(
                (args, kwargs),
                operation_fn=lambda inner: inner,
                call_fn=lambda inner, *args, **kwargs: self.call(
                    inner, *args, **{"training": training, **kwargs, "owner": layer}
                ),
            )
        # The mode that a model was called in is that of its layers.
        if training is not None and _takes_training(layer):
            kwargs["training"] = training
        return self._copy(layer, owner)(*args, **kwargs)

    def _copy(self, layer, owner):
        if id(layer) in self._shared:
            return self._shared[id(layer)]
        name = self._choose_name(layer, owner.name)
        self._names.add(name)
        self._copied.add(id(layer))
        copy = self._clone(layer, name=name)
        if getattr(layer, "weights", None):
            self._shared[id(layer)] = copy
            self.copies.append((layer, copy))
        return copy

    def _choose_name(self, layer, owner: str) -> str:
        name = layer.name
        kept = id(layer) in self._kept

        def is_free(name):
            taken = not kept and name in self._kept.values()
            return not (name in self._names or taken or self._reserved(name))

        # Another layer of the name, or the same one again.
        again = id(layer) in self._copied
        candidates = itertools.chain(
            (name,) if again else (name, f"{owner}_{name}"),
            (f"{name}_call{number}" for number in itertools.count(2)),
        )
        return next(name for name in candidates if is_free(name))


def _list_names_beside_gates(model: keras.Model) -> dict[int, str]:
    """Returns the names of the layers of gated networks inside of a model."""
    names: dict[int, str] = {}
    for layer in _as_functional(model).layers:
        if isinstance(layer, layers.GateNetwork):
            names |= {id(each): each.name for each in model.layers}
        elif _is_functional(layer):
            names |= _list_names_beside_gates(layer)
    return names


def _is_functional(model) -> bool:
    return isinstance(model, keras.Sequential) or (
        isinstance(model, keras.Model) and hasattr(model, "operations")
    )


def _as_functional(model: keras.Model) -> keras.Model:
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise errors.RunError(
                f"The model {model.name!r} has no input yet; begin it with keras.Input."
            )
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def _takes_training(layer) -> bool:
    return "training" in inspect.signature(layer.call).parameters
