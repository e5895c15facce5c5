"""The weights that a method adds to a backbone, as functions of a seed."""

import random

import keras
import numpy as np

from adafilter_tf import layers


def initialize(model: keras.Model, seed: int) -> None:
    """Gives all weights that no backbone brought along the values of a seed.

    These are the head's kernel, the gate or policy network, LoRA's first factors and
    the state of the random numbers. They follow from the seed and the model alone, not
    from what was built before: methods of one seed start from the same function and can
    be compared in pairs, and a model can be trained again from another seed.

    Args:
        model: A method's model, made by `add_head`.
        seed: Any integer.

    Example:
        >>> model = adafilter_tf.add_head(backbone, num_classes=3)
        >>> initialize(model, seed=1)
        >>> first = model.get_layer("head").get_weights()[0]
        >>> initialize(model, seed=1)
        >>> bool((model.get_layer("head").get_weights()[0] == first).all())
        True
    """
    initialize_head(model, seed)
    draws = np.random.default_rng([abs(seed), int(seed < 0)])
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, (layers.GateNetwork, layers.PolicyNetwork)):
            layer.set_weights(_draw_weights(layer, _draw_seed(draws)))
        elif getattr(layer, "lora_enabled", False):
            factor = layer.lora_kernel_a
            create = keras.initializers.HeUniform(_draw_seed(draws))
            factor.assign(create(factor.shape))
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            variable.assign([_draw_seed(draws), 0])


def initialize_head(model: keras.Model, seed: int) -> None:
    """Gives the head the kernel of a seed (Glorot uniform, Keras' default).

    Args:
        model: Made by `add_head`.
        seed: Any integer.
    """
    kernel = model.get_layer("head").kernel
    kernel.assign(keras.initializers.GlorotUniform(seed)(kernel.shape))


def _draw_weights(layer: keras.Layer, seed: int) -> list[np.ndarray]:
    """Returns the weights of a new layer of the same kind."""
    state = random.getstate()
    random.seed(seed)  # where Keras' initializers take theirs from
    try:
        twin = type(layer).from_config(layer.get_config())
        twin.build_from_config(layer.get_build_config())
    finally:
        random.setstate(state)
    return twin.get_weights()


def _draw_seed(draws: np.random.Generator) -> int:
    return int(draws.integers(2**31))
