"""Checkpoints, and what happens at a non-finite loss."""

from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of checkpoints and rollbacks."""
    kinds.integer(
        "checkpoint_steps",
        0,
        "Steps between two checkpoints within an epoch; 0 for one at its end alone.",
        lower_bound=0,
    )
    kinds.float(
        "checkpoint_minutes",
        0.0,
        "Minutes after which the next step writes a checkpoint; 0 is off.",
        lower_bound=0.0,
    )
    kinds.integer(
        "keep_checkpoints",
        3,
        "How many of the newest checkpoints are kept; an earlier one is used if the "
        "newest is damaged.",
        lower_bound=1,
    )
    kinds.enum(
        "on_non_finite",
        "stop",
        ("stop", "rollback"),
        "stop: a non-finite loss or weight (NaN/Inf) ends the run. rollback: training "
        "resumes from the last checkpoint with half the learning rates.",
    )
    kinds.integer(
        "max_rollbacks",
        3,
        "Rollbacks allowed in one run; the next non-finite loss ends it.",
        lower_bound=0,
    )
