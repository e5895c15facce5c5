"""The confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adafilter_tf.training.tensorboard import gate_figure

_SIDE = 600
_MAX_CELL, _NAMED_CELL, _COUNTED_CELL = 32, 12, 24
_MAX_NAME = 150
_GAP = 6
_INK = (60, 60, 60)


def count_confusions(
    labels: Sequence[int], predictions: Sequence[int], num_classes: int
) -> np.ndarray:
    """Returns int64 [K, K]: how many images of class i (row) were taken for class j.

    Args:
        labels: n class indices.
        predictions: n class indices.
        num_classes: K.
    """
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predictions)), 1)
    return counts


def confusion_figure(counts: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Draws a confusion matrix: rows are true classes, columns predicted ones.

    The colour is the share of the row's images, dark violet 0 to yellow 1, grey for a
    class without images. Up to about 25 classes have the counts in their cells, up to
    about 50 the names of the classes beside them.

    Args:
        counts: int [K, K], see `count_confusions`.
        class_names: K names.

    Returns:
        uint8 [height, width, 3].
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(
        counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0
    )
    cell = min(max(_SIDE // len(counts), 1), _MAX_CELL)
    font = ImageFont.load_default(min(cell, 14) if cell >= _NAMED_CELL else 12)
    left = top = 20
    if cell >= _NAMED_CELL:
        names = [_shorten(name, font) for name in class_names]
        left += max(round(font.getlength(name)) for name in names) + _GAP
        top = left
    side = cell * len(counts)
    canvas = Image.new(
        "RGB", (max(left + side, 180) + _GAP, top + side + _GAP), "white"
    )
    cells = gate_figure.colours(shares).repeat(cell, axis=0).repeat(cell, axis=1)
    canvas.paste(Image.fromarray(cells), (left, top))
    draw = ImageDraw.Draw(canvas)
    draw.text((left, 2), "predicted", _INK, font)
    _draw_sideways(canvas, "true", font, left=2, bottom=top + side)
    if cell >= _NAMED_CELL:
        for index, name in enumerate(names):
            middle = top + index * cell + cell // 2
            draw.text((left - _GAP, middle), name, _INK, font, anchor="rm")
            _draw_sideways(
                canvas, name, font, left=left + index * cell, bottom=top - 2, room=cell
            )
    if cell >= _COUNTED_CELL:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                middle = (np.array([column, row]) + 0.5) * cell + (left, top)
                ink = "black" if shares[row, column] > 0.5 else "white"
                draw.text(tuple(middle), str(count), ink, font, anchor="mm")
    return np.asarray(canvas)


def _shorten(name: str, font) -> str:
    if font.getlength(name) <= _MAX_NAME:
        return name
    while name and font.getlength(f"{name}…") > _MAX_NAME:
        name = name[:-1]
    return f"{name}…"


def _draw_sideways(canvas, text, font, *, left, bottom, room=None) -> None:
    width, height = round(font.getlength(text)) + 1, round(font.size * 1.3)
    strip = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(strip).text((0, height // 2), text, _INK, font, anchor="lm")
    strip = strip.rotate(90, expand=True)
    canvas.paste(strip, (left + ((room or height) - height) // 2, bottom - width))
