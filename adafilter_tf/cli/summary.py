"""The summary of a finished run on standard output."""

import os
import pathlib
import shlex
import textwrap
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
            line += f", {100 * row['tuned_fraction']:.0f} % tuned"
        lines.append(line)
    lines += [
        f"Metrics      {folder.metrics}",
        f"Curves       {folder.results_picture}",
        *([f"Page         {folder.report}"] if folder.report.exists() else []),
        # The parent: TensorBoard then shows each run by its name.
        f"TensorBoard  tensorboard --logdir={_log_dir(folder)}",
        *(_describe_export(name, text) for name, text in exports.items()),
        "",
        f"Next         adafilter explain {shlex.quote(str(folder.root))}",
        f"             adafilter predict {shlex.quote(str(folder.root))} IMAGE...",
    ]
    return "\n".join(lines)


def _describe_export(name: str, text: str | os.PathLike) -> str:
    title = f"{_TITLES.get(name, name):<12} "
    if name != "fold":
        return f"{title}{text}"
    return textwrap.fill(
        str(text), 80, initial_indent=title, subsequent_indent=" " * len(title)
    )


def _log_dir(folder: run_dir.RunDir) -> pathlib.Path:
    parent = folder.root.parent
    # Not the whole current folder for an --output_dir without a parent.
    return folder.root if parent == pathlib.Path() else parent
