"""What --mode=search tries."""

from adafilter_tf.experiments import search


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.multi_string(
        "search",
        [],
        "search: FLAG=log:LOW..HIGH, FLAG=LOW..HIGH, FLAG=int:LOW..HIGH or FLAG=A|B|C; "
        "once for each flag.",
    )
    kinds.enum(
        "search_method",
        "bayesian",
        search.METHODS,
        "search: how the next values are chosen; hyperband gives most of them few "
        "epochs and the best ones all.",
    )
    kinds.integer(
        "search_trials",
        20,
        "search: trainings, by random and bayesian.",
        lower_bound=1,
    )
