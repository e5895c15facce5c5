"""The fine-tuning methods: one file and one line here for each.

A method's `build(backbone, num_classes, *, <hyper-parameters>)` returns an uncompiled
`keras.Model` from pixels to logits. A method that trains in several stages has
`stages(*, <hyper-parameters>)` too, and one that changes the weights after training has
`finish(model, ending)`; see `Method`. Each hyper-parameter is the
command line's flag of the same name. Training, evaluation and export never ask which
method built a model.
"""

import dataclasses
import inspect
from collections.abc import Callable

import keras

from adafilter_tf.methods import (
    adafilter,
    bn_only,
    bss,
    fine_tuning,
    l2_sp,
    lora,
    lp_ft,
    spottune,
    wise_ft,
)
from adafilter_tf.models import gate_options
from adafilter_tf.optim import stages as stages_lib


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to fine-tune.

    Attributes:
        build: (backbone, num_classes, *, hyper-parameters) to an uncompiled model.
        stages: (*, hyper-parameters) to the stages of its training.
        finish: (model, ending) to further metrics; called after training with a
            `stages.Ending`. The weights that it leaves are the result. None changes
            nothing.
        options: The dataclass whose fields are the hyper-parameters of `build`; None
            where they are its keyword-only arguments.

    Example:
        >>> METHODS["l2_sp"].list_build_options()
        ('starting_point_penalty', 'head_penalty')
    """

    build: Callable[..., keras.Model]
    stages: Callable[..., tuple[stages_lib.Stage, ...]] = stages_lib.train_all
    finish: Callable[..., dict] | None = None
    options: type | None = None

    def list_build_options(self) -> tuple[str, ...]:
        """Returns the names of the hyper-parameters of `build`."""
        if self.options is None:
            return _list_keyword_only(self.build)
        return tuple(field.name for field in dataclasses.fields(self.options))

    def list_stage_options(self) -> tuple[str, ...]:
        """Returns the names of the hyper-parameters of `stages`."""
        return _list_keyword_only(self.stages)


METHODS = {
    "adafilter": Method(
        adafilter.build, finish=adafilter.finish, options=gate_options.GateOptions
    ),
    "bn_only": Method(bn_only.build),
    "bss": Method(bss.build),
    "fine_tuning": Method(fine_tuning.build),
    "l2_sp": Method(l2_sp.build),
    "lora": Method(lora.build),
    "lp_ft": Method(lp_ft.build, lp_ft.stages),
    "spottune": Method(spottune.build),
    "wise_ft": Method(wise_ft.build, wise_ft.stages, wise_ft.finish),
}


def list_hyperparameters(method: str) -> tuple[str, ...]:
    """Returns the names of a method's own hyper-parameters."""
    chosen = METHODS[method]
    return chosen.list_build_options() + chosen.list_stage_options()


def _list_keyword_only(function: Callable) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
