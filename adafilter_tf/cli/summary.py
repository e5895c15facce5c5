"""The summary of a finished run on standard output."""

import os
import pathlib
from collections.abc import Mapping, Sequence

from adafilter_tf.runs import run_dir

# What a format is called; others by their own names.
_TITLES = {"saved_model": "SavedModel", "fold": "Inference"}

# The metrics that a summary needs.
NEEDS = {
    "method": str,
    "test_accuracy": float,
    "test_examples": int,
    "train_seconds": float,
}


def summarize(
    folder: run_dir.RunDir,
    metrics: Sequence[dict],
    exports: Mapping[str, str | os.PathLike],
) -> str:
    """Returns one line per method, then where everything lies.

    Args:
        folder: The finished run's directory.
        metrics: The metrics of each trained method, see `training_run.train`.
        exports: What was exported, by format.
    """
    lines = []
    for row in metrics:
        line = (
            f"{row['method']:<12} test accuracy {100 * row['test_accuracy']:.2f} % "
            f"({row['test_examples']} images), trained in {row['train_seconds']:.0f} s"
        )
        if "tuned_fraction" in row:
            line += f", tuned fraction {row['tuned_fraction']:.2f}"
        lines.append(line)
    lines += [
        f"Metrics      {folder.metrics}",
        f"Curves       {folder.results_picture}",
        # The parent: TensorBoard then shows each run by its name.
        f"TensorBoard  tensorboard --logdir={_log_dir(folder)}",
        *(f"{_TITLES.get(name, name):<12} {path}" for name, path in exports.items()),
    ]
    return "\n".join(lines)


def _log_dir(folder: run_dir.RunDir) -> pathlib.Path:
    parent = folder.root.parent
    # Not the whole current folder for an --output_dir without a parent.
    return folder.root if parent == pathlib.Path() else parent
