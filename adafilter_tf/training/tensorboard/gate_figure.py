"""One picture of what the gates did: layers by time, without a plotting library."""

from collections.abc import Sequence

import numpy as np

# Nine points of viridis (van der Walt & Smith 2015, CC0): its lightness rises evenly,
# so equal steps of the share look equal, also in grey and to the colour-blind.
_COLOURS = np.array(
    [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ],
    dtype=np.float64,
)
_MISSING = np.array([200, 200, 200], np.uint8)
_INK = np.array([60, 60, 60], np.uint8)

# Rows of 3 x 5 pixels, the top row first; "1" is ink.
_GLYPHS = {
    "0": "111101101101111",
    "1": "010110010010111",
    "2": "111001111100111",
    "3": "111001111001111",
    "4": "101101111001001",
    "5": "111100111001111",
    "6": "111100111101111",
    "7": "111001001001001",
    "8": "111101111101111",
    "9": "111101111001111",
    ".": "000000000000010",
}
_TEXT_SCALE = 2
_TEXT_HEIGHT = 5 * _TEXT_SCALE
_GAP = 8
_BAR_WIDTH = 16
_MAX_COLUMNS = 200


def colours(shares: np.ndarray) -> np.ndarray:
    """The colour of each share: dark violet 0, green 0.5, yellow 1; grey for NaN.

    Args:
        shares: float array of any shape, 0 to 1 or NaN.

    Returns:
        uint8 array of the same shape and a last axis of 3 (red, green, blue).

    Raises:
        ValueError: a share below 0 or above 1.
    """
    shares = np.asarray(shares, np.float64)
    if np.any((shares < 0) | (shares > 1)):
        raise ValueError(
            f"Received shares from {np.nanmin(shares)} to {np.nanmax(shares)}; "
            "allowed are 0 to 1, and NaN for a missing value."
        )
    points = np.linspace(0.0, 1.0, len(_COLOURS))
    known = np.nan_to_num(shares)
    channels = [np.interp(known, points, _COLOURS[:, c]) for c in range(3)]
    coloured = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return np.where(np.isnan(shares)[..., None], _MISSING, coloured)


def gate_figure(shares: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Draws the share of tuned filters of every layer over training.

    One row per layer, numbered from 1 at the top, where the network begins; one
    column per evaluation, labelled with its step; at the right the colour bar from 0
    (all filters frozen) to 1 (all tuned). Of more than 200 evaluations 200 evenly
    spaced ones are drawn, the first and the last among them.

    Args:
        shares: float [L, T], the tuned fraction of L layers at T evaluations, 0 to 1;
            NaN where it is unknown.
        steps: T step numbers.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ValueError: not [L, T] with L, T >= 1 and T steps, or a share outside 0 to 1.
    """
    shares = np.asarray(shares, np.float64)
    if shares.ndim != 2 or 0 in shares.shape or shares.shape[1] != len(steps):
        raise ValueError(
            f"Received shares of shape {shares.shape} and {len(steps)} steps; needed "
            "are [layers, evaluations], at least 1 of each, and one step for each."
        )
    num_columns = min(shares.shape[1], _MAX_COLUMNS)
    kept = np.linspace(0, shares.shape[1] - 1, num_columns).round().astype(int)
    shares, steps = shares[:, kept], [steps[k] for k in kept]
    cell_height, cell_width = cell_size(*shares.shape)
    cells = colours(shares).repeat(cell_height, axis=0).repeat(cell_width, axis=1)
    # A figure of one cell still needs room for the labels of the bar.
    body = max(cells.shape[0], 6 * _TEXT_HEIGHT)
    left = _text_width(str(len(shares))) + 2 * _GAP
    bar_left = left + max(cells.shape[1], _text_width(str(steps[-1]))) + 2 * _GAP
    width = bar_left + _BAR_WIDTH + _text_width("0.5") + 2 * _GAP
    canvas = np.full((body + _TEXT_HEIGHT + 3 * _GAP, width, 3), 255, np.uint8)
    canvas[_GAP : _GAP + len(cells), left : left + cells.shape[1]] = cells
    _draw_row_labels(canvas, len(shares), cell_height, right=left - _GAP)
    _draw_column_labels(canvas, steps, cell_width, left, top=2 * _GAP + len(cells))
    _draw_bar(canvas, body, bar_left)
    return canvas


def cell_size(num_layers: int, num_columns: int) -> tuple[int, int]:
    """Height and width of a cell in pixels: 6 to 24, and 4 to 32.

    Large figures keep cells that the eye can tell apart; small ones do not shrink to
    a stamp.
    """
    height = min(max(640 // num_layers, 6), 24)
    width = min(max(800 // num_columns, 4), 32)
    return height, width


def _text_width(text: str) -> int:
    return 4 * _TEXT_SCALE * len(text)


def _draw_text(canvas: np.ndarray, text: str, top: int, left: int) -> None:
    for character in text:
        bits = np.array(list(_GLYPHS[character])).reshape(5, 3) == "1"
        ink = bits.repeat(_TEXT_SCALE, axis=0).repeat(_TEXT_SCALE, axis=1)
        canvas[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = _INK
        left += 4 * _TEXT_SCALE


def _draw_row_labels(canvas, num_layers: int, cell_height: int, *, right: int) -> None:
    stride = label_stride(num_layers, _TEXT_HEIGHT + 4, cell_height)
    for row in range(stride - 1, num_layers, stride):
        top = _GAP + row * cell_height + (cell_height - _TEXT_HEIGHT) // 2
        text = str(row + 1)
        _draw_text(canvas, text, max(top, 0), right - _text_width(text))


def _draw_column_labels(canvas, steps, cell_width: int, left: int, *, top: int) -> None:
    room = max(_text_width(str(step)) for step in steps) + _GAP
    for column in range(0, len(steps), label_stride(len(steps), room, cell_width)):
        _draw_text(canvas, str(steps[column]), top, left + column * cell_width)


def _draw_bar(canvas: np.ndarray, height: int, left: int) -> None:
    ramp = colours(np.linspace(1.0, 0.0, height))[:, None]
    canvas[_GAP : _GAP + height, left : left + _BAR_WIDTH] = ramp
    for share, text in ((1.0, "1"), (0.5, "0.5"), (0.0, "0")):
        top = _GAP + round((1.0 - share) * (height - _TEXT_HEIGHT))
        _draw_text(canvas, text, top, left + _BAR_WIDTH + _GAP)


def label_stride(count: int, room: int, cell: int) -> int:
    """Every how many cells of `cell` pixels a label of `room` pixels fits.

    One of 1, 2, 5, 10, 20, 50, ... so that the labelled numbers are easy to count by.
    """
    stride, factors = 1, (2.0, 2.5, 2.0)
    index = 0
    while stride * cell < room and stride < count:
        stride = int(stride * factors[index % 3])
        index += 1
    return stride
