"""--mode=export: a finished run's model in other formats."""

from absl import flags

from adafilter_tf.cli import finished_run
from adafilter_tf.runs import run_export


def run(values: flags.FlagValues) -> None:
    """Writes the model for other programs; prints what it wrote, one per line."""
    formats = values.export_formats
    run_export.check_formats(formats)
    folder = finished_run.open_run(values)
    print("\n".join(finished_run.export(values, folder, formats).values()))
