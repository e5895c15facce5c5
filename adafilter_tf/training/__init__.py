"""Training: steps, checkpoints, callbacks, logs."""

from adafilter_tf.training.loop import (
    ResumePoint,
    TrainingOptions,
    TrainingPlan,
    compile_model,
    compile_stage,
    count_parameters,
    create_renewal,
    fit,
    measure_outputs,
    measure_split,
)

__all__ = [
    "ResumePoint",
    "TrainingOptions",
    "TrainingPlan",
    "compile_model",
    "compile_stage",
    "count_parameters",
    "create_renewal",
    "fit",
    "measure_outputs",
    "measure_split",
]
