"""--mode=predict: class scores for images without labels."""

import os
import sys

from absl import flags

from adafilter_tf import (
    errors,
    image_files,
    model_file,
    prediction,
    prediction_files,
    progress,
    settings,
)
from adafilter_tf.modes import finished_run

FLAGS = flags.FLAGS


def run() -> None:
    """Writes one row per image of --images."""
    if not FLAGS.images:
        raise errors.UsageError(
            "--mode=predict needs --images: files, folders or globs, separated by "
            "commas."
        )
    path = FLAGS.predictions or None
    file_format = prediction_files.choose_format(path, FLAGS.predictions_format)
    if path:
        prediction_files.check_target(path, overwrite=FLAGS.overwrite)
    folder = finished_run.open_run()
    total = sum(1 for _ in image_files.iterate_images(FLAGS.images))
    rows = prediction.predict_paths(
        model_file.load_model(folder.model),
        image_files.iterate_images(FLAGS.images),
        class_names=finished_run.read_labels(folder),
        batch_size=FLAGS.batch_size,
        top_k=FLAGS.top_k,
        **settings.image_options(FLAGS),
    )
    rows = progress.report_progress(rows, total, sys.stderr)
    if path:
        num_errors = _save(rows, path, file_format)
    else:
        _, num_errors = prediction_files.print_rows(rows, file_format, sys.stdout)
    if num_errors:
        print(
            f"{num_errors:,} of them could not be read; their rows say why.",
            file=sys.stderr,
        )


def _save(rows, path: str, file_format: str) -> int:
    """Writes the file; returns how many rows have an error."""
    try:
        _, num_errors = prediction_files.save(
            rows, path, file_format, overwrite=FLAGS.overwrite
        )
    except errors.RunError as error:
        raise type(error)(f"{error}{_describe_rest(path)}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted.{_describe_rest(path)}") from None
    return num_errors


def _describe_rest(path: str) -> str:
    temporary = prediction_files.temporary_path(path)
    if os.path.getsize(temporary):
        return f" The rows so far are in {temporary}."
    os.remove(temporary)
    return ""
