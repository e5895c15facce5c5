"""How much of a trained model is folded when it is exported."""

from adafilter_tf.models import folding


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.enum(
        "fold",
        "calibrated",
        folding.FOLDS,
        "Export: exact folds what no image can change, such as batch norms; calibrated "
        "also drops the branch that no training image chose, if the validation images "
        "agree; none leaves the network as it was trained.",
    )
    kinds.float(
        "fold_tolerance",
        0.001,
        "Export: share of the validation predictions that --fold=calibrated may "
        "change; above it the fold is exact.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
