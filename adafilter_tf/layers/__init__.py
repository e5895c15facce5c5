"""The layers; they import Keras alone and run on each of its backends."""

import warnings

from adafilter_tf.layers.added_filters import AddedFilters
from adafilter_tf.layers.batch_spectral_shrinkage import BatchSpectralShrinkage
from adafilter_tf.layers.block_choice import BlockChoice, choose_blocks
from adafilter_tf.layers.block_route import BlockRoute
from adafilter_tf.layers.feedforward_gate import FeedforwardGate
from adafilter_tf.layers.filled_gates import FilledGates
from adafilter_tf.layers.filter_gate import FilterGate, hard_gate
from adafilter_tf.layers.folded_conv import FoldedConv2D
from adafilter_tf.layers.gate_network import GateNetwork
from adafilter_tf.layers.gated_batch_norm import GatedBatchNormalization
from adafilter_tf.layers.gated_conv import GatedConv2D
from adafilter_tf.layers.gated_dense import GatedDense
from adafilter_tf.layers.gated_layer_norm import GatedLayerNormalization
from adafilter_tf.layers.gated_scale import GatedScale
from adafilter_tf.layers.gated_separable_conv import GatedSeparableConv2D
from adafilter_tf.layers.l2_sp_penalty import L2SPPenalty
from adafilter_tf.layers.pixel_normalization import PixelNormalization
from adafilter_tf.layers.policy_network import PolicyNetwork
from adafilter_tf.layers.recurrent_gate import RecurrentGateCell

__all__ = [
    "AddedFilters",
    "BatchSpectralShrinkage",
    "BlockChoice",
    "BlockRoute",
    "FeedforwardGate",
    "FilledGates",
    "FilterGate",
    "FoldedConv2D",
    "GateNetwork",
    "GatedBatchNormalization",
    "GatedConv2D",
    "GatedDense",
    "GatedLayerNormalization",
    "GatedScale",
    "GatedSeparableConv2D",
    "L2SPPenalty",
    "PixelNormalization",
    "PolicyNetwork",
    "RecurrentGateCell",
    "choose_blocks",
    "hard_gate",
]


def __getattr__(name: str):
    if name == "StartingPointPenalty":  # until 2027-06-01
        warnings.warn(
            "layers.StartingPointPenalty is layers.L2SPPenalty now.",
            DeprecationWarning,
            stacklevel=2,
        )
        return L2SPPenalty
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
