"""A finished run, opened by the modes that use one."""

import functools
import os
import pathlib
from collections.abc import Sequence

import keras
from absl import flags, logging

from adafilter_tf import errors
from adafilter_tf.cli import dataset as run_dataset
from adafilter_tf.cli import flagfile, settings
from adafilter_tf.data import selection, sources, splits
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.integrity import manifest, verification
from adafilter_tf.export import calibration
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import run_dir, run_export

# They say how a run is used, if they are given together with its use.
_FREE = ("batch_size", "on_bad_image", "max_bad_fraction", "image_key", "label_key")


def open_run(values: flags.FlagValues) -> run_dir.RunDir:
    """Returns the run in --output_dir; gives the flags its settings."""
    folder = run_dir.RunDir(pathlib.Path(values.output_dir))
    for path in (folder.flagfile, folder.model):
        if not path.exists():
            raise errors.RunError(
                f"--output_dir={folder.root} has no {path.name}: --mode={values.mode} "
                "needs a finished run. Train it first with --mode=train."
            )
    text = atomic.read_text(folder.flagfile)
    flagfile.apply_saved(text, str(folder.flagfile), values, free=_FREE)
    return folder


def read_labels(folder: run_dir.RunDir) -> list[str]:
    """Returns the names of the run's classes, in the order of its outputs.

    Raises:
        RunError: See `run_dir.RunDir.read_labels`.
    """
    return folder.read_labels(splits.read_splits(folder.splits).train)


def load_model(
    values: flags.FlagValues, folder: run_dir.RunDir
) -> tuple[keras.Model, ImageSpec]:
    """Returns the run's trained model and how an image becomes its pixels."""
    model = model_file.load_model(folder.model)
    return model, settings.image_spec(values, model)


def load_examples(
    values: flags.FlagValues, folder: run_dir.RunDir, split: str, *, channels: int
) -> tuple[str, Examples, int]:
    """Returns the images that --evaluate_on, or the run itself, has in a split.

    Args:
        values: Flags, with the run's settings.
        folder: The run's directory.
        split: "train", "validation", "test" or "all".
        channels: Channels of the model's images, 1 or 3.

    Returns:
        The split ("all" for a data set without splits), its examples with the run's
        labels, and how many unreadable images were left out.

    Raises:
        RunError: The split is empty, a class is unknown, or images cannot be read.
    """
    own = splits.read_splits(folder.splits)
    if not values.evaluate_on:
        _, examples = selection.select_split(
            dict(own.items()), split, f"The run in {folder.root}"
        )
        _check_files_exist(examples)
        return split, examples, 0
    dataset = values.evaluate_on
    source = sources.read_source(dataset, **run_dataset.source_options(values))
    split, examples = selection.select_split(source, split, f"evaluate_on={dataset}")
    examples = selection.match_classes(
        examples, read_labels(folder), f"evaluate_on={dataset}"
    )
    kept = verification.keep_readable(
        examples,
        run_dataset.bad_image_rule(values),
        channels=channels,
        cache=manifest.default_path(dataset, values.data_dir),
    )
    return split, kept, len(examples) - len(kept)


def export(
    values: flags.FlagValues, folder: run_dir.RunDir, formats: Sequence[str]
) -> dict[str, str]:
    """Exports the run's model in each format; returns where, by format."""
    # TensorFlow logs every function that it traces and every file that it writes.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        return run_export.export_run(
            folder,
            formats,
            make_spec=functools.partial(settings.image_spec, values),
            top_k=values.top_k,
            fold_options=calibration.FoldOptions(values.fold, values.fold_tolerance),
        )
    finally:
        logging.set_verbosity(verbosity)


def _check_files_exist(examples: Examples) -> None:
    missing = [path for path in examples.paths if not os.path.isfile(path)]
    if missing:
        raise errors.RunError(
            f"{len(missing)} of {len(examples)} images of this run are gone, first "
            f"{missing[0]}; put them back, or name other images by --evaluate_on."
        )
