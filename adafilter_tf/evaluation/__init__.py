"""What a trained model gets right, and what its gates do."""

from adafilter_tf.evaluation.scoring import (
    Outputs,
    create_predictor,
    create_scorer,
    measure,
)

__all__ = [
    "Outputs",
    "create_predictor",
    "create_scorer",
    "measure",
]
