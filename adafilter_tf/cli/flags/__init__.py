"""Every flag and its default, once, one module a topic.

Only this room and `run.py` know flags; everything below takes arguments.
"""

import functools
import types

from absl import flags

from adafilter_tf.cli.flags import (
    comfort_flags,
    comparison_flags,
    data_flags,
    export_flags,
    finished_run_flags,
    method_flags,
    run_flags,
    safety_flags,
    search_flags,
    tensorboard_flags,
    training_flags,
)

MODULES = (
    run_flags,
    data_flags,
    method_flags,
    training_flags,
    comfort_flags,
    safety_flags,
    tensorboard_flags,
    search_flags,
    comparison_flags,
    finished_run_flags,
    export_flags,
)
KINDS = ("boolean", "enum", "float", "integer", "list", "multi_string", "string")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines all flags of the command line on `values`."""
    kinds = types.SimpleNamespace(
        **{
            kind: functools.partial(
                getattr(flags, f"DEFINE_{kind}"), flag_values=values
            )
            for kind in KINDS
        }
    )
    for module in MODULES:
        module.define(kinds)
