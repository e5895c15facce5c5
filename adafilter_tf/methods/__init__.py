"""The fine-tuning methods: one file and one line here for each.

A method is a function `build(backbone, num_classes, *, <hyper-parameters>)` that
returns an uncompiled `keras.Model` from pixels to logits. Each keyword-only argument is
the command line's flag of the same name. Training, evaluation and export never ask
which method built a model.
"""

import inspect
from collections.abc import Callable

from adafilter_tf.methods import adafilter, fine_tuning

METHODS: dict[str, Callable] = {
    "adafilter": adafilter.build,
    "fine_tuning": fine_tuning.build,
}


def list_hyperparameters(method: str) -> tuple[str, ...]:
    """Returns the names of a method's own hyper-parameters."""
    parameters = inspect.signature(METHODS[method]).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
