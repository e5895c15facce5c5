"""From a functional model with models among its layers to a flat one."""

import inspect

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import conversion


def inline_models(model: keras.Model) -> keras.Model:
    """Returns a model whose layers include those of the models inside of it.

    Args:
        model: Functional or Sequential; any other model is given back as it is.

    Returns:
        `model` itself when there is no functional or Sequential model inside of it.
        Else a flat functional model of the same function, which shares no weight with
        it. Its layers keep their names; of two that have the same one, the second gets
        the name of its own model in front. A layer that was called several times still
        is.

    Raises:
        RunError: When a Sequential model was never built.
    """
    if not _is_functional(model):
        return model
    model = _as_functional(model)
    if not any(_is_functional(operation) for operation in model.operations):
        return model
    walk = _Walk()
    flat = keras.models.clone_model(
        model,
        clone_function=lambda layer: walk.clone(layer, model.name),
        call_function=walk.call,
    )
    for source, clone in walk.clones.values():
        if isinstance(source, keras.Layer):
            conversion.copy_weights(source, clone)
    return flat


def leave_out_penalties(model: keras.Model) -> keras.Model:
    """Returns a model without the layers that act in training alone.

    A network inside of one of them stays a model inside of the result.
    """
    acting = (layers.L2SPPenalty, layers.BatchSpectralShrinkage)

    def clone(layer):
        if isinstance(layer, acting) or not isinstance(layer, keras.Layer):
            return layer
        return type(layer).from_config(layer.get_config())

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
    """Clones and calls a model's layers one by one, and those of models inside of it.

    Attributes:
        clones: Identity of a layer (or stateless operation) to it and its clone.
    """

    def __init__(self):
        self.clones: dict[int, tuple] = {}
        self._names: set[str] = set()

    def clone(self, layer, model_name: str):
        """Returns a layer's only clone, without weights; a model itself."""
        if _is_functional(layer):
            return layer
        if id(layer) not in self.clones:
            config = layer.get_config()
            name = layer.name
            if name in self._names:
                name = f"{model_name}_{name}"
            self._names.add(name)
            clone = type(layer).from_config({**config, "name": name})
            self.clones[id(layer)] = (layer, clone)
        return self.clones[id(layer)][1]

    def call(self, layer, *args, training=None, **kwargs):
        """Calls a clone, or in the place of a model its layers."""
        if _is_functional(layer):
            # As clone_model does, which would make a model of the result.
            return _as_functional(layer)._run_through_graph(
                (args, kwargs),
                operation_fn=lambda inner: self.clone(inner, layer.name),
                call_fn=lambda inner, *args, **kwargs: self.call(
                    inner, *args, **{"training": training, **kwargs}
                ),
            )
        # The mode that a model was called in is that of its layers.
        if training is not None and _takes_training(layer):
            kwargs["training"] = training
        return layer(*args, **kwargs)


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
