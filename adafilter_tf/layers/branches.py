"""Shared by the gated layers: two copies of each weight, and their blend."""

import keras
from keras import ops

BRANCHES = ("frozen", "tuned")


def add_branches(layer, name, shape, initializer, **options) -> None:
    """Adds to a layer the weights `frozen_<name>` and `tuned_<name>`.

    The frozen one is not trainable.

    Args:
        layer: A gated layer in its `build`.
        name: Name of the weight in the layer that is not gated.
        shape: Shape of one copy; None when the layer has no such weight.
        initializer: Initializer of both copies.
        **options: Further arguments of `add_weight`.
    """
    for branch in BRANCHES:
        weight = None
        if shape is not None:
            weight = layer.add_weight(
                name=f"{branch}_{name}",
                shape=shape,
                initializer=initializer,
                trainable=branch == "tuned",
                **options,
            )
        setattr(layer, f"{branch}_{name}", weight)


def expand_gates(gates, rank: int):
    """Returns gates [B, N] as [B, 1, ..., 1, N] of `rank` axes."""
    axes = tuple(range(1, rank - 1))
    return ops.expand_dims(gates, axes) if axes else gates


def blend(frozen, tuned, gates):
    """Returns `g * tuned + (1 - g) * frozen`, of [B, ..., N] and gates [B, N]."""
    gates = expand_gates(gates, len(tuned.shape))
    return gates * tuned + (1 - gates) * frozen


def statistics_dtype(layer) -> str:
    """Returns the dtype in which a gated norm computes.

    Half precision has neither the range nor the digits for the statistics.
    """
    return "float64" if layer.compute_dtype == "float64" else "float32"


def describe_outputs(layer, shape, gates):
    """Returns the spec of a gated layer's blend, or of its two branches.

    Args:
        layer: A gated layer.
        shape: Shape of one branch's output.
        gates: The gates that it is called with, or None.
    """
    if gates is not None:
        return keras.KerasTensor(shape, dtype=layer.compute_dtype)
    # Two objects: a graph tells its tensors apart by identity.
    return tuple(keras.KerasTensor(shape, dtype=layer.compute_dtype) for _ in BRANCHES)
