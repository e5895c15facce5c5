"""What a finished run says on standard output."""

from collections.abc import Sequence

from adafilter_tf import run_dir


def summarize(folder: run_dir.RunDir, metrics: Sequence[dict]) -> str:
    """Returns one line per method, then where everything lies.

    Args:
        folder: Of the finished run.
        metrics: Of each method that it trained, see `training.train`.
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
        f"TensorBoard  tensorboard --logdir={folder.root}",
        f"SavedModel   {folder.list_exports()[-1]}",
    ]
    return "\n".join(lines)
