"""The tasks, rows and seeds of --mode=compare."""


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
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
    kinds.list("seeds", ["0", "1", "2"], "compare: of the final table.")
    kinds.list("search_seeds", ["100"], "compare: of the search; none of --seeds.")
    kinds.string(
        "prepare_command",
        None,
        "compare: the command that prepares a task, named when its data miss.",
    )
    kinds.integer(
        "workers",
        None,
        "compare: processes at a time; none for one a GPU, or one a core.",
        lower_bound=1,
    )
