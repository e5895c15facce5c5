"""A picture of some images of each class, to see at a glance what a data set is."""

import pathlib
import warnings
from collections.abc import Sequence

import numpy as np

from adafilter_tf.data.decoding import thumbnail
from adafilter_tf.data.inspection.facts import LabelledImage
from adafilter_tf.files import atomic

_COLUMNS, _MAX_ROWS, _CELL_INCHES, _DPI = 8, 20, 1.0, 100


def write_sheet(
    path: pathlib.Path, images: Sequence[LabelledImage], class_names: Sequence[str]
) -> None:
    """Draws up to 8 images of up to 20 classes, upright and whole, one row a class.

    Of more images or classes evenly spaced ones are shown.

    Args:
        path: PNG to write, whole or not at all.
        images: All of the data set; broken ones are not shown.
        class_names: In order.
    """
    from matplotlib.backends import backend_agg  # slow to import
    from matplotlib.figure import Figure

    by_class: dict[str, list[str]] = {name: [] for name in class_names}
    for image in images:
        if image.usable:
            by_class[image.class_name].append(image.entry.path)
    shown = _space_evenly([name for name in class_names if by_class[name]], _MAX_ROWS)
    rows = max(1, len(shown))
    size = _COLUMNS * _CELL_INCHES + 1.8, rows * _CELL_INCHES + 0.5
    figure = Figure(figsize=size)
    backend_agg.FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        rows,
        _COLUMNS,
        left=1.8 / size[0],
        right=1.0,
        bottom=0.0,
        top=1 - 0.4 / size[1],
        wspace=0.05,
        hspace=0.05,
    )
    figure.suptitle(
        f"{len(shown)} of {len(class_names)} classes", fontsize=10, x=0.02, ha="left"
    )
    for row, name in enumerate(shown):
        samples = _space_evenly(by_class[name], _COLUMNS)
        for column in range(_COLUMNS):
            axes = figure.add_subplot(grid[row, column])
            axes.set_axis_off()
            if column < len(samples):
                side = int(_CELL_INCHES * _DPI)
                picture = thumbnail.read_thumbnail(samples[column], side)
                axes.imshow(picture, interpolation="nearest")
            if column == 0:
                text = f"{_shorten(name)}\n{len(by_class[name]):,}"
                axes.text(
                    -0.08, 0.5, text, fontsize=8, ha="right", va="center",
                    transform=axes.transAxes, parse_math=False,
                )  # fmt: skip
    with atomic.replacing(path) as temporary, warnings.catch_warnings():
        # A script that the font lacks is shown as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(temporary, format="png", dpi=_DPI)


def _space_evenly(values: Sequence, number: int) -> list:
    if len(values) <= number:
        return list(values)
    places = np.linspace(0, len(values) - 1, number).round().astype(int)
    return [values[place] for place in places]


def _shorten(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:11]}...{name[-10:]}"
