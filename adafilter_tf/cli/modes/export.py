"""--mode=export: a finished run's model in other formats."""

from absl import flags, logging

from adafilter_tf.cli import settings
from adafilter_tf.cli.modes import finished_run
from adafilter_tf.export import calibration
from adafilter_tf.runs import run_dir, run_export

FLAGS = flags.FLAGS


def run() -> None:
    """Writes the model for other programs; prints what it wrote, one a line."""
    formats = FLAGS.export_formats
    run_export.check_formats(formats)
    print("\n".join(export_run(finished_run.open_run(), formats).values()))


def export_run(folder: run_dir.RunDir, formats: list[str]) -> dict[str, str]:
    """Writes the run's model in each format; returns where, by format."""
    # TensorFlow tells every function that it traces and every file that it writes.
    logging.set_verbosity(logging.WARNING)
    try:
        return run_export.export_run(
            folder,
            formats,
            image_options=settings.image_options(FLAGS),
            top_k=FLAGS.top_k,
            fold_options=calibration.FoldOptions(FLAGS.fold, FLAGS.fold_tolerance),
        )
    finally:
        logging.set_verbosity(logging.INFO)
