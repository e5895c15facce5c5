"""Multiply-accumulate operations (MACs) of a network, per image."""

import math

import keras

from adafilter_tf import layers
from adafilter_tf.models import graph
from adafilter_tf.models.folding import filter_bank


def count_macs(model: keras.Model) -> int:
    """Returns the MACs per image in convolutions, dense layers and gate networks.

    Norms, activations, sums and other layers are not counted. Both banks of a gated
    layer are, and each step of a gate network. A `FoldedConv2D` counts as for an image
    of a batch; a single image takes less.

    Args:
        model: Functional, of images of a known height and width.
    """
    return sum(_count_call(call) for call in graph.list_calls(model))


def _count_call(call: graph.Call) -> int:
    layer, output = call.layer, call.outputs[0]
    if isinstance(layer, layers.FoldedConv2D):
        return _count_folded(layer, output)
    if isinstance(layer, (*filter_bank.PLAIN_FILTERS, *filter_bank.GATED_FILTERS)):
        return _count_positions(output) * _count_weights(layer)
    if isinstance(layer, layers.AddedFilters):
        return _count_places(output, layer.filters)
    if isinstance(layer, layers.GateNetwork):
        return _count_step(layer, call.kwargs.get("step", 0))
    if isinstance(layer, layers.PolicyNetwork):
        return _count_policy(layer, call.tensors[0])
    return 0


def _count_positions(output) -> int:
    return math.prod(output.shape[1:-1])


def _count_weights(layer) -> int:
    """Returns the size of all kernels: the multiply-adds of a position."""
    kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
    return sum(math.prod(kernel.shape) for kernel in kernels)


def _count_folded(layer, output) -> int:
    count, dependent = layer.filters, layer.dependent
    convolved = math.prod(layer.kernel.shape) * (count + len(dependent)) // count
    places = _count_places(output, dependent)
    return _count_positions(output) * convolved + places


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


def _count_policy(network, images) -> int:
    height, width = images.shape[1:3]
    count = 0
    for convolution in network.convolutions:
        height, width = (
            -(-size // stride)
            for size, stride in zip((height, width), convolution.strides, strict=True)
        )
        count += height * width * math.prod(convolution.kernel.shape)
    return count + math.prod(network.choice_logits.kernel.shape)
