"""The layers of the paper; they import Keras alone and run on each of its backends."""

from adafilter_tf.layers.filter_gate import FilterGate, hard_gate
from adafilter_tf.layers.gated_batch_norm import GatedBatchNormalization
from adafilter_tf.layers.gated_conv import GatedConv2D
from adafilter_tf.layers.pixel_normalization import PixelNormalization
from adafilter_tf.layers.recurrent_gate import RecurrentGateCell

__all__ = [
    "FilterGate",
    "GatedBatchNormalization",
    "GatedConv2D",
    "PixelNormalization",
    "RecurrentGateCell",
    "hard_gate",
]
