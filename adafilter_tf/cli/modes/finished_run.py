"""A finished run, opened by the modes that use one."""

import os
import pathlib

from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import flagfile, settings
from adafilter_tf.data import selection, sources, splits
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.integrity import manifest, verification
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir

FLAGS = flags.FLAGS

# They say how a run is used, if they are given together with its use.
_FREE = ("batch_size", "on_bad_image", "max_bad_fraction", "image_key", "label_key")


def open_run() -> run_dir.RunDir:
    """Returns the run in --output_dir and takes its settings."""
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    for path in (folder.flagfile, folder.model):
        if not path.exists():
            raise errors.RunError(
                f"--output_dir={folder.root} has no {path.name}: --mode={FLAGS.mode} "
                "needs a finished run. Train it first with --mode=train."
            )
    text = atomic.read_text(folder.flagfile)
    flagfile.apply_saved(text, str(folder.flagfile), free=_FREE)
    return folder


def read_labels(folder: run_dir.RunDir) -> list[str]:
    """Returns the names of the run's classes, in the order of its outputs."""
    return atomic.read_text(folder.labels).splitlines()


def load_examples(folder: run_dir.RunDir, split: str) -> tuple[str, Examples, int]:
    """Returns the images that --evaluate_on, or the run itself, has in a split.

    Args:
        folder: Of the run.
        split: "train", "validation", "test" or "all".

    Returns:
        The split ("all" for a data set without splits), its examples with the run's
        labels, and how many unreadable images were left out.

    Raises:
        RunError: The split is empty, a class is unknown, or images cannot be read.
    """
    own = splits.read_splits(folder.splits)
    if not FLAGS.evaluate_on:
        _, examples = selection.select_split(
            dict(own.items()), split, f"The run in {folder.root}"
        )
        _check_files_exist(examples)
        return split, examples, 0
    dataset = FLAGS.evaluate_on
    source = sources.read_source(dataset, **settings.source_options(FLAGS))
    split, examples = selection.select_split(source, split, f"evaluate_on={dataset}")
    examples = selection.match_classes(
        examples, read_labels(folder), f"evaluate_on={dataset}"
    )
    kept = verification.keep_readable(
        examples,
        settings.bad_image_rule(FLAGS),
        channels=settings.image_options(FLAGS)["channels"],
        cache=manifest.default_path(dataset, FLAGS.data_dir),
    )
    return split, kept, len(examples) - len(kept)


def _check_files_exist(examples: Examples) -> None:
    missing = [path for path in examples.paths if not os.path.isfile(path)]
    if missing:
        raise errors.RunError(
            f"{len(missing)} of {len(examples)} images of this run are gone, first "
            f"{missing[0]}; put them back, or name other images by --evaluate_on."
        )
