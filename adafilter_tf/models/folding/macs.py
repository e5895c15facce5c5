"""What an image costs: the multiply-adds of a network."""

import math

import keras

from adafilter_tf import layers
from adafilter_tf.models.folding import filter_bank, fold_plan


def count_multiply_adds(model: keras.Model) -> int:
    """Returns the multiply-adds of one image in convolutions, dense layers and gates.

    Norms, activations, sums and other layers are not counted. Both banks of a gated
    layer are, and each step of a gate network. A `FoldedConv2D` counts as for an image
    of a batch; a single image takes less.

    Args:
        model: Functional, of images of a known height and width.
    """
    counts = []

    def call(layer, args, kwargs):
        if isinstance(layer, layers.FoldedConv2D):
            counts.append(_count_folded(layer))
        elif isinstance(layer, filter_bank.PLAIN_FILTERS):
            counts.append(_count_positions(layer.output) * _count_weights(layer))
        elif isinstance(layer, filter_bank.GATED_FILTERS):
            output = keras.tree.flatten(layer.output)[0]
            counts.append(_count_positions(output) * _count_weights(layer))
        elif isinstance(layer, layers.AddedFilters):
            counts.append(_count_places(layer.output, layer.filters))
        elif isinstance(layer, layers.GateNetwork):
            counts.append(_count_step(layer, kwargs.get("step", 0)))
        elif isinstance(layer, layers.PolicyNetwork):
            counts.append(_count_policy(layer))

    fold_plan.walk(model, call)
    return sum(counts)


def _count_positions(output) -> int:
    return math.prod(output.shape[1:-1])


def _count_weights(layer) -> int:
    """Returns the size of all kernels: the multiply-adds of a position."""
    kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
    return sum(math.prod(kernel.shape) for kernel in kernels)


def _count_folded(layer) -> int:
    count, dependent = layer.filters, layer.dependent
    convolved = math.prod(layer.kernel.shape) * (count + len(dependent)) // count
    places = _count_places(layer.output, dependent)
    return _count_positions(layer.output) * convolved + places


def _count_places(output, filters) -> int:
    count = output.shape[-1]
    if len(filters) == count:
        return 0
    return _count_positions(output) * len(filters) * count


def _count_step(network, step: int) -> int:
    units = network.units
    count = units * (network.channels[step] + network.filters[step])
    recurrent = isinstance(network, layers.RecurrentGateCell)
    return count + (8 * units**2 if recurrent else 0)


def _count_policy(network) -> int:
    height, width = network.input.shape[1:3]
    count = 0
    for convolution in network.convolutions:
        height, width = (
            -(-size // stride)
            for size, stride in zip((height, width), convolution.strides, strict=True)
        )
        count += height * width * math.prod(convolution.kernel.shape)
    return count + math.prod(network.choice_logits.kernel.shape)
