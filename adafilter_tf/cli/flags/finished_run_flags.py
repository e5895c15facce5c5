"""The flags of the modes that use a finished run."""

from adafilter_tf.cli.flags import choices
from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of --mode=evaluate, predict, explain, serve and demo."""
    _define_prediction(kinds)
    kinds.string(
        "evaluate_on",
        None,
        "evaluate, explain: another data set with the run's classes, in any form of "
        "--dataset; none for the run's own.",
    )
    kinds.enum(
        "evaluate_split",
        "test",
        (*choices.SPLITS, "all"),
        "evaluate: the images to score; all of --evaluate_on if it has no splits.",
    )
    kinds.enum(
        "explain_split",
        "validation",
        (*choices.SPLITS, "all"),
        "explain: the images to explain; all of --evaluate_on if it has no splits. "
        "Test images by which settings are chosen are no longer a test.",
    )
    kinds.integer(
        "explain_images",
        1000,
        "explain: uses at most this many images, sampled at random.",
        lower_bound=1,
    )
    kinds.enum(
        "explain_projection",
        "pca",
        choices.PROJECTIONS,
        "explain: how gate patterns are projected to the plane.",
    )
    _define_serving(kinds)


def _define_prediction(kinds: Definer) -> None:
    kinds.list("images", [], "predict, import_weights: files, folders and globs.")
    kinds.path(
        "predictions",
        None,
        "predict: the file to write, .csv, .jsonl or .parquet; none for standard "
        "output.",
    )
    kinds.enum(
        "predictions_format",
        None,
        choices.PREDICTION_FORMATS,
        "predict: overrides the file's ending; standard output is csv by default.",
    )
    kinds.boolean("overwrite", False, "predict: replaces the file of --predictions.")


def _define_serving(kinds: Definer) -> None:
    kinds.string(
        "host",
        "127.0.0.1",
        "serve, demo: the address to listen on. The default is for this machine alone; "
        "there is no password and no encryption.",
    )
    kinds.integer(
        "port",
        None,
        "serve, demo: 0 takes a free port. None: 8501 for serve, 7860 for demo.",
        lower_bound=0,
        upper_bound=2**16 - 1,
    )
    kinds.integer(
        "export_version",
        None,
        "serve: the number of the export; none for the newest.",
        lower_bound=0,
    )
