"""The runs, or the tasks, rows and seeds, of --mode=compare."""

from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of --mode=compare."""
    kinds.list(
        "runs",
        [],
        "compare: finished runs, at least two, to put side by side with no training; "
        "the page and the table are written to --output_dir, runs/comparison if it is "
        "not given.",
    )
    kinds.multi_string(
        "task",
        [],
        "compare: NAME flag=value ..., a data set with its backbone, split and budget; "
        "once for each task.",
    )
    kinds.multi_string(
        "row",
        [],
        "compare: NAME method=... flag=value flag=a|b|c ..., a method with its "
        "hyper-parameters, those with | searched; once for each row.",
    )
    kinds.list("seeds", ["0", "1", "2"], "compare: seeds of the final table.")
    kinds.list(
        "search_seeds",
        ["100"],
        "compare: seeds of the search, none of them in --seeds.",
    )
    kinds.string(
        "prepare_command",
        None,
        "compare: the command that prepares a task, named when its data are missing.",
    )
    kinds.integer(
        "workers",
        None,
        "compare: processes at a time; none for one per GPU, or one per core.",
        lower_bound=1,
        upper_bound=1024,
    )
