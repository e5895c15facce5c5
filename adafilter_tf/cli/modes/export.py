"""--mode=export: a finished run's model in other formats."""

from absl import flags

from adafilter_tf.cli import finished_run
from adafilter_tf.runs import run_export

FLAGS = flags.FLAGS


def run() -> None:
    """Writes the model for other programs; prints what it wrote, one per line."""
    formats = FLAGS.export_formats
    run_export.check_formats(formats)
    print("\n".join(finished_run.export(finished_run.open_run(), formats).values()))
