"""A run's curves, confusion matrix and errors as PNG files."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir
from adafilter_tf.training.callbacks import results_table
from adafilter_tf.training.tensorboard import rendering

# Blue and orange that the colour-blind tell apart (Okabe and Ito, 2008).
_COLOURS = {"train": "#0072B2", "validation": "#D55E00"}


def write_pictures(
    folder: run_dir.RunDir, pictures: Mapping[str, np.ndarray], accuracy: float
) -> None:
    """Writes `results.png`, `confusion_matrix.png` and, if it errs, `errors.png`.

    Args:
        folder: Of the run, with its `results.csv`.
        pictures: Of the test images, see `evaluation_images.write_images`.
        accuracy: On the test images, 0..1.
    """
    rows = results_table.read_rows(folder.results)
    paths = {
        "results": folder.results_picture,
        "confusion_matrix": folder.confusion_picture,
        "misclassified": folder.errors_picture,
    }
    results = rendering.render(draw_results(rows, accuracy))
    for name, pixels in {"results": results, **pictures}.items():
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        atomic.write_bytes(paths[name], stream.getvalue())


def draw_results(rows: Sequence[Mapping[str, str]], test_accuracy: float):
    """Returns a figure of loss and accuracy by step.

    Args:
        rows: See `results_table.ResultsTable`.
        test_accuracy: 0..1, drawn as a line.
    """
    figure = rendering.new_figure(9.0, 3.6)
    figure.set_layout_engine("constrained")
    loss, accuracy = figure.subplots(1, 2)
    steps = [int(row["step"]) for row in rows]
    marker = "o" if len(steps) < 30 else ""
    for split, colour in _COLOURS.items():
        style = {"color": colour, "marker": marker, "markersize": 4, "label": split}
        loss.plot(steps, _read(rows, f"{split}_loss"), **style)
        shares = [100 * share for share in _read(rows, f"{split}_accuracy")]
        accuracy.plot(steps, shares, **style)
    accuracy.axhline(
        100 * test_accuracy,
        color="0.3",
        linestyle="--",
        linewidth=1,
        label=f"test, at the end: {100 * test_accuracy:.1f} %",
    )
    for axes, title in ((loss, "Cross-entropy, nats"), (accuracy, "Accuracy, %")):
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("step", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    return figure


def _read(rows: Sequence[Mapping[str, str]], name: str) -> list[float]:
    return [float(row.get(name) or math.nan) for row in rows]
