"""The filters of a folded layer of which some depend on the image."""

import math
from collections.abc import Callable

import keras

from adafilter_tf import layers
from adafilter_tf.models.folding import filter_bank

# A single image gets kernels of its own where that spares so many multiply-adds for
# each number of a kernel. With 20 a ResNet50 is as fast, and has 14 % more numbers.
_MULTIPLY_ADDS_OF_A_PICK = 100


def call_filters(
    source: keras.Layer,
    base: filter_bank.Bank,
    difference: filter_bank.Bank,
    filters: list[int],
    gates: keras.KerasTensor,
    filled_gates,
    inputs: keras.KerasTensor,
    free_name: Callable[[str], str],
) -> keras.KerasTensor:
    """Calls all filters, and those again whose gate depends on the image.

    Args:
        source: The gated layer, a `GatedConv2D` or `GatedDense`.
        base: Its N filters, those that depend on the image as for a gate of 0.
        difference: Of its N filters, tuned minus frozen.
        filters: Those that depend on the image, rising; at least one.
        gates: Of these, [B, d].
        filled_gates: Gives the gates of all N, [B, N].
        inputs: What the layer reads.
        free_name: Gives a new layer its name.

    Returns:
        The layer's outputs, activation and all.
    """
    if _costs_more(difference, filters, source):
        # Zero where the choice is in the base.
        mask = difference.filled_bias * 0.0
        mask[filters] = 1.0
        difference = difference.scale(mask)
        gates, filters = filled_gates(), list(range(difference.count))
    if _is_pick_cheaper(source, filters):
        return filter_bank.create_folded_convolution(
            source, base, difference, inputs, filters
        )(inputs, gates)
    if len(filters) < difference.count:
        difference = difference.take(filters)
    name, options = source.name, {"dtype": source.dtype_policy}
    outputs, added = (
        filter_bank.create_filters(source, bank, inputs, name=of)(inputs)
        for bank, of in ((base, name), (difference, free_name(f"{name}_difference")))
    )
    add = layers.AddedFilters(filters, name=free_name(f"{name}_add"), **options)
    outputs = add(outputs, added, gates)
    if source.activation is keras.activations.linear:
        return outputs
    return keras.layers.Activation(
        source.activation, name=free_name(f"{name}_activation"), **options
    )(outputs)


def _costs_more(difference, filters, source) -> bool:
    """Whether single filters and their places cost more than all filters again."""
    (kernel,) = difference.kernels.values()
    if _is_separate(source):
        return True
    reads = kernel.size // difference.count  # multiply-adds of an output
    return len(filters) * (reads + difference.count) >= reads * difference.count


def _is_pick_cheaper(source, filters) -> bool:
    """Whether a single image is better convolved once, by a kernel made for it."""
    if not isinstance(source, layers.GatedConv2D) or _is_separate(source):
        return False
    shape = keras.tree.flatten(source.output)[0].shape[1:]
    if None in shape:
        return False
    *positions, count = shape
    size = math.prod(source.tuned_kernel.shape)
    places = len(filters) * count if len(filters) < count else 0
    spared = math.prod(positions) * (size // count * len(filters) + places)
    return spared > _MULTIPLY_ADDS_OF_A_PICK * size


def _is_separate(source) -> bool:
    """Whether a filter reads only some of the channels."""
    return getattr(source, "depthwise", False) or getattr(source, "groups", 1) > 1
