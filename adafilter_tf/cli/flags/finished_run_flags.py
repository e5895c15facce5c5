"""What the modes that use a finished run are asked for."""

from adafilter_tf.data.selection import SPLITS
from adafilter_tf.evaluation.explanation import gate_patterns
from adafilter_tf.prediction import writers


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.list("images", [], "Mode predict: files, folders and globs.")
    kinds.string(
        "predictions",
        None,
        "Mode predict: file to write, .csv, .jsonl or .parquet; standard output if "
        "none.",
    )
    kinds.enum(
        "predictions_format",
        None,
        tuple(writers.FORMATS),
        "Mode predict: whatever the ending of the file; csv for standard output.",
    )
    kinds.boolean(
        "overwrite", False, "Mode predict: replace the file of --predictions."
    )
    kinds.string(
        "evaluate_on",
        None,
        "Modes evaluate and explain: another data set with the run's classes, in any "
        "form of --dataset; none for the run's own.",
    )
    kinds.enum(
        "evaluate_split",
        "test",
        (*SPLITS, "all"),
        "Mode evaluate: which images; all of --evaluate_on if it has no splits.",
    )
    kinds.enum(
        "explain_split",
        "validation",
        (*SPLITS, "all"),
        "Mode explain: which images; all of --evaluate_on if it has no splits. A test "
        "by which settings are chosen is no test any more.",
    )
    kinds.integer(
        "explain_images",
        1000,
        "Mode explain: at most so many images, drawn at random.",
        lower_bound=1,
    )
    kinds.enum(
        "explain_projection",
        "pca",
        gate_patterns.PROJECTIONS,
        "Mode explain: how gate patterns become points.",
    )
