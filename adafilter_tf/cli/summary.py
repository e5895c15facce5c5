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
    lines = _describe_methods(metrics)
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


def _describe_methods(metrics: Sequence[Mapping]) -> list[str]:
    """Returns a line for each method, and one for what all of them start from."""
    probes = [row for row in metrics if "probe_test_accuracy" in row][:1]
    width = len("frozen features") if probes else 12
    lines = [
        f"{row['method']:<{width}} {_describe_accuracy(row, 'test_accuracy')}, trained "
        f"in {row['train_seconds']:.0f} s"
        + (
            f", {100 * row['tuned_fraction']:.0f} % tuned"
            if "tuned_fraction" in row
            else ""
        )
        for row in metrics
    ]
    lines += [
        f"frozen features {_describe_accuracy(row, 'probe_test_accuracy')}, linear"
        for row in probes
    ]
    return lines


def _describe_accuracy(row: Mapping, name: str) -> str:
    return f"test accuracy {100 * row[name]:.2f} % ({row['test_examples']} images)"


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
