"""The fraction of tuned filters as a figure: layers by time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adafilter_tf.training.tensorboard import rendering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COLUMNS = 200
_MAX_NAMED_LAYERS = 80
_MAX_NAME = 32
_FONT = 8


def gate_figure(
    fractions: np.ndarray,
    steps: Sequence[int],
    layer_names: Sequence[str] | None = None,
) -> "Figure":
    """Draws the fraction of tuned filters of every layer over training.

    One row per layer, the first one on top; one column per evaluation, labelled with
    its step; the colour bar runs from 0 (all filters frozen) to 1 (all tuned). Of more
    than `MAX_COLUMNS` evaluations, evenly spaced ones are drawn, the first and the last
    among them.

    Args:
        fractions: float [L, T], the tuned fraction of L layers at T evaluations, 0..1;
            NaN where it is unknown.
        steps: T step numbers.
        layer_names: L names; None numbers the layers from 1.

    Raises:
        ValueError: Other shapes, or a fraction outside of 0..1.
    """
    fractions = np.asarray(fractions, np.float64)
    _check(fractions, steps)
    num_columns = min(fractions.shape[1], MAX_COLUMNS)
    kept = np.linspace(0, fractions.shape[1] - 1, num_columns).round().astype(int)
    fractions, steps = fractions[:, kept], [steps[column] for column in kept]
    names = layer_names or [str(row + 1) for row in range(len(fractions))]

    height = min(max(0.16 * len(fractions), 1.5), 14.0) + 0.8
    width = min(max(0.25 * num_columns, 3.0), 8.0) + 3.0
    figure = rendering.new_figure(width, height)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    image = axes.imshow(
        fractions,
        aspect="auto",
        cmap=rendering.fraction_colormap(),
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
    )
    rows = _spaced_ticks(len(fractions), _MAX_NAMED_LAYERS)
    labels = [rendering.shorten(names[row], _MAX_NAME) for row in rows]
    axes.set_yticks(rows, labels, fontsize=_FONT, parse_math=False)
    columns = _spaced_ticks(num_columns, 8)
    axes.set_xticks(columns, [f"{steps[c]:,}" for c in columns], fontsize=_FONT)
    axes.set_xlabel("step", fontsize=_FONT)
    bar = figure.colorbar(image, ax=axes, ticks=[0.0, 0.5, 1.0])
    bar.set_label("fraction of tuned filters", fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT)
    return figure


def _check(fractions: np.ndarray, steps: Sequence[int]) -> None:
    shape = fractions.shape
    if fractions.ndim != 2 or 0 in shape or shape[1] != len(steps):
        raise ValueError(
            f"Received fractions of shape {shape} and {len(steps)} steps; required "
            "are [layers, evaluations], at least 1 of each, and one step per "
            "evaluation."
        )
    if np.any((fractions < 0) | (fractions > 1)):
        raise ValueError(
            f"Received fractions from {np.nanmin(fractions)} to "
            f"{np.nanmax(fractions)}; allowed are 0 to 1, and NaN for a missing value."
        )


def _spaced_ticks(count: int, most: int) -> list[int]:
    """Returns at most `most` indices below `count`, evenly spaced, 0 among them."""
    return list(range(0, count, -(-count // most)))
