"""Training: steps, checkpoints, callbacks, logs."""

from adafilter_tf.training.loop import (
    ResumePoint,
    Trainer,
    count_parameters,
    create_renewal,
    measure_outputs,
    measure_split,
)
from adafilter_tf.training.plan import TrainingOptions, TrainingPlan
from adafilter_tf.training.stage_program import compile_model, compile_stage

__all__ = [
    "ResumePoint",
    "Trainer",
    "TrainingOptions",
    "TrainingPlan",
    "compile_model",
    "compile_stage",
    "count_parameters",
    "create_renewal",
    "measure_outputs",
    "measure_split",
]
