"""Every flag and its default, once, one module per topic.

Only this room and `run.py` know flags; everything below takes arguments.
"""

from absl import flags

from adafilter_tf.cli.flags import (
    comparison_flags,
    data_flags,
    definition,
    export_flags,
    finished_run_flags,
    import_flags,
    method_flags,
    run_flags,
    safety_flags,
    search_flags,
    tensorboard_flags,
    training_flags,
)

# Topic of the help, module that defines its flags.
TOPICS = {
    "Run": run_flags,
    "Images": data_flags,
    "Backbone and method": method_flags,
    "Training": training_flags,
    "Checkpoints and non-finite losses": safety_flags,
    "TensorBoard": tensorboard_flags,
    "Export": export_flags,
    "Modes evaluate, predict, explain, serve and demo": finished_run_flags,
    "Modes search and find_learning_rate": search_flags,
    "Mode compare": comparison_flags,
    "Mode import_weights": import_flags,
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines all flags of the command line on `values`."""
    kinds = definition.Definer(values)
    for module in TOPICS.values():
        module.define(kinds)
