"""The confusion matrix as a figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adafilter_tf.training.tensorboard import rendering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_NAMED, _MAX_COUNTED = 50, 25
_MAX_NAME = 20
_FONT = 8


def confusion_figure(counts: np.ndarray, class_names: Sequence[str]) -> "Figure":
    """Draws a confusion matrix: rows are true classes, columns predicted ones.

    The colour is the fraction of the row's images, grey for a class without images. Up
    to 25 classes have the counts in their cells, up to 50 their names on the axes.

    Args:
        counts: int [K, K] by true and predicted class.
        class_names: K names.
    """
    num_classes = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    fractions = np.divide(
        counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0
    )
    side = min(max(0.3 * num_classes, 2.0), 7.0)
    figure = rendering.new_figure(side + 2.5, side + 1.5)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    image = axes.imshow(
        fractions,
        cmap=rendering.fraction_colormap(),
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
    )
    axes.set_xlabel("predicted class", fontsize=_FONT)
    axes.set_ylabel("true class", fontsize=_FONT)
    axes.tick_params(labelsize=_FONT)
    if num_classes <= _MAX_NAMED:
        names = [rendering.shorten(name, _MAX_NAME) for name in class_names]
        ticks = range(num_classes)
        axes.set_xticks(ticks, names, rotation=90, parse_math=False)
        axes.set_yticks(ticks, names, parse_math=False)
    if num_classes <= _MAX_COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ink = "black" if fractions[row, column] > 0.5 else "white"
                axes.text(
                    column, row, f"{count:,}", color=ink, fontsize=7,
                    ha="center", va="center",
                )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, ticks=[0.0, 0.5, 1.0])
    bar.set_label("fraction of the row", fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT)
    return figure
