"""Layers that do not train: in training they compute what they do at inference."""

from collections.abc import Collection, Sequence

import keras
from keras.src.applications import convnext  # Keras does not export StochasticDepth.

from adafilter_tf.models import conversion, graph

# At inference they give back what they read.
NOISE_LAYERS = (
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    convnext.StochasticDepth,
)
# Attributes of theirs that say how strong the noise is.
_STRENGTHS = ("rate", "stddev", "drop_path_rate")


def freeze(model: keras.Model, names: Collection[str]) -> keras.Model:
    """Freezes layers: they do not train and add no noise.

    Keras runs a frozen batch norm in inference mode, but not a frozen block's dropout
    or drop-connect, whose noise would act on features that cannot adapt to it. Noise
    and random changes of the images, before anything learned reads them, are
    augmentation and stay.

    Args:
        model: Functional; its layers are frozen.
        names: Of the layers to freeze.

    Returns:
        `model` itself when its frozen layers add no noise, else a copy that shares no
        weight with it.
    """
    for layer in model.layers:
        if layer.name in names:
            layer.trainable = False
    calls = graph.list_calls(model)
    noise = list_frozen_noise(calls, names)
    if not noise:
        return model
    call_names = iter(call.name for call in calls)

    def call(layer, *args, **kwargs):
        name = next(call_names)
        if name in noise:
            return pass_through(layer, name)(*graph.list_tensors(args, kwargs))
        return layer(*args, **kwargs)

    frozen = keras.models.clone_model(
        model, clone_function=conversion.clone_layer, call_function=call
    )
    for layer in model.layers:
        if layer.weights:
            conversion.copy_weights(layer, frozen.get_layer(layer.name))
    return frozen


class QuietFreeze:
    """Freezes layers for some time, in which they add no noise; see `freeze`.

    The model stays the same object. It has to be compiled again after each call.

    Example:
        >>> quiet = QuietFreeze()
        >>> quiet.begin(backbone, [layer.name for layer in backbone.layers])
        >>> len(backbone.trainable_weights)
        0
        >>> quiet.end(backbone)
    """

    def __init__(self):
        self._strengths: dict[tuple[str, str], float] = {}

    def begin(self, model: keras.Model, names: Collection[str]) -> None:
        """Freezes the named layers of a functional model; all others train."""
        noise = list_frozen_noise(graph.list_calls(model), names)
        for layer in model.layers:
            layer.trainable = layer.name not in names
            for strength in _STRENGTHS:
                if layer.name in noise and hasattr(layer, strength):
                    self._strengths[layer.name, strength] = getattr(layer, strength)
                    setattr(layer, strength, 0.0)

    def end(self, model: keras.Model) -> None:
        """Lets all layers train, with their noise."""
        for layer in model.layers:
            layer.trainable = True
        for (name, strength), value in self._strengths.items():
            setattr(model.get_layer(name), strength, value)
        self._strengths.clear()


def pass_through(layer: keras.Layer, name: str) -> keras.Layer:
    """Returns what stands in the place of a layer that would add noise."""
    # By the policy's name: with the object Keras cannot save the layer.
    return keras.layers.Identity(dtype=layer.dtype_policy.name, name=name)


def list_frozen_noise(calls: Sequence[graph.Call], names: Collection[str]) -> set[str]:
    """Returns the calls of frozen layers that would add noise in training.

    Args:
        calls: All calls of a model.
        names: Of the frozen layers.
    """
    augmenting = list_augmenting_calls(calls)
    return {
        call.name
        for call in calls
        if call.layer.name in names
        and isinstance(call.layer, NOISE_LAYERS)
        and call.name not in augmenting
    }


def list_augmenting_calls(calls: Sequence[graph.Call]) -> set[str]:
    """Returns the random calls whose inputs no layer with learned weights made."""
    learned: set[str] = set()
    augmenting: set[str] = set()
    for call in calls:
        constant = isinstance(call.layer, conversion.CONSTANT_LAYERS)
        has_weights = bool(getattr(call.layer, "weights", None)) and not constant
        if has_weights or learned.intersection(call.inputs):
            learned.add(call.name)
        elif is_random(call.layer):
            augmenting.add(call.name)
    return augmenting


def is_random(layer) -> bool:
    """Returns whether a layer, or one inside of it, samples random numbers."""
    variables = getattr(layer, "variables", ())
    return any(variable.name == "seed_generator_state" for variable in variables)
