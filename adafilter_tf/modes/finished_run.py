"""A finished run, opened by the modes that use one."""

import pathlib

from absl import flags

from adafilter_tf import errors, flagfile, run_dir

FLAGS = flags.FLAGS


def open_run() -> run_dir.RunDir:
    """Returns the run in --output_dir and takes its settings."""
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    for path in (folder.flagfile, folder.model):
        if not path.exists():
            raise errors.RunError(
                f"--output_dir={folder.root} has no {path.name}: --mode={FLAGS.mode} "
                "needs a finished run. Train it first with --mode=train."
            )
    flagfile.apply_saved(folder.flagfile.read_text(), str(folder.flagfile))
    return folder


def read_labels(folder: run_dir.RunDir) -> list[str]:
    """Returns the names of the run's classes, in the order of its outputs."""
    return folder.labels.read_text(encoding="utf-8").splitlines()
