"""Checkpoints, and what happens when a loss is no number."""


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.integer(
        "checkpoint_steps",
        0,
        "Steps between two checkpoints within an epoch; 0 for none but at its end.",
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
        "Checkpoints that stay, the newest; the earlier ones serve when it is damaged.",
        lower_bound=1,
    )
    kinds.enum(
        "on_non_finite",
        "stop",
        ("stop", "rollback"),
        "A loss or weight that is no finite number ends the run, or takes it back to "
        "the last checkpoint with half the learning rates.",
    )
    kinds.integer(
        "max_rollbacks", 3, "Of one run; the next one ends it.", lower_bound=0
    )
