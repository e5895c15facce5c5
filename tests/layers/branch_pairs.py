"""Two plain layers that stand for the branches of a gated one."""

import keras
import numpy as np


def make_pair(plain, gated, shape):
    """Returns copies of `plain` with the frozen and the tuned weights of `gated`.

    The weights are random and not the same in the two.
    """
    rng = np.random.default_rng(1)
    gated.build(shape)
    pair = []
    for branch in ("frozen", "tuned"):
        layer = type(plain).from_config(plain.get_config())
        layer.build(shape)
        for weight in layer.weights:
            value = rng.normal(size=weight.shape)
            weight.assign(value)
            name = weight.name if hasattr(gated, f"{branch}_{weight.name}") else "gamma"
            getattr(gated, f"{branch}_{name}").assign(value)
        pair.append(layer)
    return pair


def draw_gates(batch, filters):
    """Returns float32 zeros and ones."""
    gates = np.random.default_rng(2).integers(0, 2, (batch, filters))
    return gates.astype("float32")


def assert_only_tuned_train(layer):
    """Checks that each weight of the tuned branch trains, and no other one."""
    for weight in layer.weights:
        assert weight.trainable == weight.name.startswith("tuned_"), weight.name
    assert len(layer.trainable_weights) == len(layer.non_trainable_weights) > 0


def assert_config_rebuilds(layer):
    """Checks that the config gives the layer back."""
    config = keras.saving.serialize_keras_object(layer)
    rebuilt = keras.saving.deserialize_keras_object(config)
    assert rebuilt.get_config() == layer.get_config()
