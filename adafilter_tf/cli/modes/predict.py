"""--mode=predict: class scores for images without labels."""

import os
import sys

from absl import flags

from adafilter_tf import errors, prediction
from adafilter_tf.cli import finished_run
from adafilter_tf.data.examples import show_path
from adafilter_tf.files import atomic
from adafilter_tf.prediction import image_files, progress, writers

LEFT_OUT = ".left_out.csv"
_MAX_SHOWN = 20


def run(values: flags.FlagValues) -> None:
    """Writes one row per image of --images."""
    if not values.images:
        raise errors.UsageError(
            "--mode=predict needs --images: files, folders or globs, separated by "
            "commas."
        )
    path = values.predictions or None
    file_format = writers.choose_format(path, values.predictions_format)
    if path:
        writers.check_target(path, overwrite=values.overwrite)
    folder = finished_run.open_run(values)
    model, spec = finished_run.load_model(values, folder)
    left_out: image_files.LeftOut = []
    total = sum(1 for _ in image_files.iterate_images(values.images, left_out))
    _tell_left_out(left_out, path)
    rows = prediction.predict_paths(
        model,
        image_files.iterate_images(values.images),
        spec,
        class_names=finished_run.read_labels(folder),
        batch_size=values.batch_size,
        top_k=values.top_k,
    )
    rows = progress.report_progress(rows, total, sys.stderr)
    if path:
        num_errors = _save(values, rows, path, file_format)
    else:
        _, num_errors = writers.print_rows(rows, file_format, sys.stdout)
    if num_errors:
        print(
            f"{num_errors:,} of them could not be read; their rows say why.",
            file=sys.stderr,
        )


def _tell_left_out(left_out: image_files.LeftOut, path: str | None) -> None:
    """Names what lies in the folders and gets no row, all of it beside the rows."""
    if path and left_out:
        atomic.write_csv(f"{path}{LEFT_OUT}", ("path", "reason"), left_out)
    for path, reason in left_out[:_MAX_SHOWN]:
        print(f"Left out: {show_path(path)}: {reason}.", file=sys.stderr)
    if len(left_out) > _MAX_SHOWN:
        print(f"Left out: {len(left_out) - _MAX_SHOWN:,} more.", file=sys.stderr)


def _save(values: flags.FlagValues, rows, path: str, file_format: str) -> int:
    """Writes the file; returns how many rows have an error."""
    try:
        _, num_errors = writers.save(
            rows, path, file_format, overwrite=values.overwrite
        )
    except errors.RunError as error:
        raise type(error)(f"{error}{_describe_rest(path)}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted.{_describe_rest(path)}") from None
    return num_errors


def _describe_rest(path: str) -> str:
    temporary = writers.temporary_path(path)
    if os.path.getsize(temporary):
        return f" The rows so far are in {temporary}."
    os.remove(temporary)
    return ""
