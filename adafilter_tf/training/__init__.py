"""Training: steps, checkpoints, callbacks, logs."""

from adafilter_tf.training.loop import (
    Procedure,
    Progress,
    TrainingOptions,
    compile_model,
    count_parameters,
    create_renewal,
    fit,
    measure_outputs,
    measure_split,
)

__all__ = [
    "Procedure",
    "Progress",
    "TrainingOptions",
    "compile_model",
    "count_parameters",
    "create_renewal",
    "fit",
    "measure_outputs",
    "measure_split",
]
