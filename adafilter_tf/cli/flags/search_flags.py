"""The flags of --mode=search and --mode=find_learning_rate."""

from adafilter_tf.cli.flags.definition import Definer
from adafilter_tf.experiments import search


def define(kinds: Definer) -> None:
    """Defines the flags of both searches."""
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
        "search: how the next values are chosen; hyperband gives most trials few "
        "epochs and the best ones all.",
    )
    kinds.integer(
        "search_trials",
        20,
        "search: number of trials, for random and bayesian.",
        lower_bound=1,
    )
    kinds.integer(
        "finder_steps",
        100,
        "find_learning_rate: steps over which the rate rises to 10.",
        lower_bound=10,
        upper_bound=1_000_000,
    )
