"""From a matplotlib figure to the pixels of a TensorBoard image.

The canvas is Agg's, without pyplot: no global state, no display. matplotlib is imported
where it is used, because the import takes most of a second.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

DPI = 100


def new_figure(width: float, height: float) -> "Figure":
    """Returns an empty figure of a size in inches; see `DPI`."""
    from matplotlib.backends import backend_agg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    backend_agg.FigureCanvasAgg(figure)
    return figure


def fraction_colormap() -> "Colormap":
    """Returns viridis for fractions 0..1, grey where the fraction is unknown (NaN).

    Its lightness rises evenly: equal steps look equal, also in grey and to the
    colour-blind (van der Walt and Smith, 2015).
    """
    import matplotlib

    return matplotlib.colormaps["viridis"].with_extremes(bad="0.8")


def render(figure: "Figure") -> np.ndarray:
    """Returns the pixels of a figure, uint8 [height, width, 3]."""
    from matplotlib.backends import backend_agg

    canvas = backend_agg.FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A script that the font lacks is shown as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def shorten(text: str, limit: int) -> str:
    """Returns the text, cut in its middle to at most `limit` characters."""
    if len(text) <= limit:
        return text
    kept = limit - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
