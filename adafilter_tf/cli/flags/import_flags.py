"""The files of --mode=import_weights."""

from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of --mode=import_weights."""
    kinds.path(
        "package_dir",
        None,
        "import_weights: folder of package files that were fetched before; none lets "
        "pip fetch them.",
    )
    kinds.path(
        "classifier",
        None,
        "import_weights: a .keras file to write, the network with its 1,000 classes.",
    )
