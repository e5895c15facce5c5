"""A trained gated network as the smallest equivalent network for inference."""

from adafilter_tf.models.folding.folding import (
    FOLDS,
    FoldedNetwork,
    fold,
)

__all__ = [
    "FOLDS",
    "FoldedNetwork",
    "fold",
]
