"""Devices, replicas and workers."""

from adafilter_tf.distribution.strategies import (
    DISTRIBUTIONS,
    build_scope,
    check_batch_size,
    count_steps_per_pass,
    create_strategy,
    distribute,
    has_gpu,
    is_multi_worker,
    list_positions,
    use_jit_compile,
)

__all__ = [
    "DISTRIBUTIONS",
    "build_scope",
    "check_batch_size",
    "count_steps_per_pass",
    "create_strategy",
    "distribute",
    "has_gpu",
    "is_multi_worker",
    "list_positions",
    "use_jit_compile",
]
