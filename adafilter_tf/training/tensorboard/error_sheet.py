"""The images that a model misclassifies, on one figure."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import special

from adafilter_tf.data.decoding import thumbnail
from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.training.tensorboard import rendering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ERRORS = 16
_COLUMNS = 4
_SIDE = 96
_MAX_LINE = 28


def list_errors(
    logits: npt.ArrayLike, labels: npt.ArrayLike
) -> list[tuple[int, float]]:
    """Returns the misclassified images, the most confident first.

    Args:
        logits: [n, K].
        labels: n class indices.

    Returns:
        At most `MAX_ERRORS` pairs of the image's index and the probability of the
        predicted class.
    """
    probabilities = special.softmax(np.asarray(logits, np.float64), axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != np.asarray(labels))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MAX_ERRORS]
    return [(int(index), float(confidence[index])) for index in order]


def error_sheet(
    examples: Examples, errors: Sequence[tuple[int, float]], predictions: Sequence[int]
) -> "Figure":
    """Draws misclassified images with file name, true and predicted class.

    A file that can no longer be read is drawn grey: no picture ends a training.

    Args:
        examples: All images that were scored.
        errors: See `list_errors`, at least one.
        predictions: Predicted class of each of the examples.
    """
    names = examples.class_names
    columns = min(_COLUMNS, len(errors))
    rows = -(-len(errors) // columns)
    figure = rendering.new_figure(1.8 * columns, 1.7 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.02, right=0.98, bottom=0.02, top=1 - 0.42 / (1.7 * rows), hspace=0.5
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (index, confidence) in zip(grid.flat, errors, strict=False):
        axes.imshow(
            thumbnail.read_thumbnail(examples.paths[index], _SIDE),
            interpolation="nearest",
        )
        lines = (
            show_path(os.path.basename(examples.paths[index])),
            f"true: {names[examples.labels[index]]}",
            f"predicted: {names[predictions[index]]} ({confidence:.2f})",
        )
        axes.set_title(
            "\n".join(rendering.shorten(line, _MAX_LINE) for line in lines),
            fontsize=6,
            loc="left",
            parse_math=False,
        )
    return figure
