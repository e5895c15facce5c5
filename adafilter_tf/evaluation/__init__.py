"""Evaluation of a trained model and of its gates."""

from adafilter_tf.evaluation.scoring import (
    Outputs,
    compute_metrics,
    create_predictor,
    create_scorer,
    measure_classes,
)

__all__ = [
    "Outputs",
    "create_predictor",
    "create_scorer",
    "compute_metrics",
    "measure_classes",
]
