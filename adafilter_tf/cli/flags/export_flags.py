"""In which formats a trained model is exported, and how much of it is folded."""

from adafilter_tf.cli.flags import choices
from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of export."""
    kinds.list(
        "export_formats",
        ["saved_model"],
        f"Formats of the exported model: {', '.join(choices.EXPORT_FORMATS)}.",
    )
    kinds.integer(
        "top_k",
        3,
        "Classes named per image, by --mode=predict and by the exported model. "
        "--mode=demo names 5, unless this flag is given.",
        lower_bound=1,
    )
    kinds.enum(
        "fold",
        "calibrated",
        choices.FOLDS,
        "exact folds what no image can change, such as batch norms; calibrated also "
        "drops the branch that no training image chose, if the validation images "
        "agree; none exports the network as it was trained.",
    )
    kinds.float(
        "fold_tolerance",
        0.001,
        "Fraction of the validation predictions that --fold=calibrated may change; "
        "above it the fold is exact.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
