"""The images that a model got wrong, on one sheet."""

import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from adafilter_tf.data.examples import Examples, show_path

MAX_ERRORS = 16
_COLUMNS = 4
_THUMBNAIL, _LINE, _GAP = 96, 15, 8
_WIDTH = 136
_INK = (60, 60, 60)


def list_errors(logits: np.ndarray, labels: Sequence[int]) -> list[tuple[int, float]]:
    """Returns the misclassified images, the most confident first.

    Args:
        logits: [n, K].
        labels: n class indices.

    Returns:
        At most `MAX_ERRORS` pairs of the image's index and the probability of the
        predicted class.
    """
    logits = np.asarray(logits, np.float64)
    predicted = logits.argmax(axis=1)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = 1.0 / shifted.sum(axis=1)
    wrong = np.flatnonzero(predicted != np.asarray(labels))
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MAX_ERRORS]
    return [(int(index), float(confidence[index])) for index in order]


def error_sheet(
    examples: Examples, errors: Sequence[tuple[int, float]], predictions: Sequence[int]
) -> np.ndarray:
    """Draws misclassified images with file name, true and predicted class.

    Args:
        examples: All images that were scored.
        errors: See `list_errors`, at least one.
        predictions: Predicted class of each of the examples.

    Returns:
        uint8 [height, width, 3].
    """
    font, names = ImageFont.load_default(12), examples.class_names
    columns = min(_COLUMNS, len(errors))
    height = _THUMBNAIL + 3 * _LINE + _GAP
    rows = -(-len(errors) // columns)
    sheet = Image.new(
        "RGB", (_GAP + columns * (_WIDTH + _GAP), _GAP + rows * height), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for place, (index, confidence) in enumerate(errors):
        left = _GAP + place % columns * (_WIDTH + _GAP)
        top = _GAP + place // columns * height
        sheet.paste(_read_thumbnail(examples.paths[index]), (left, top))
        lines = (
            show_path(os.path.basename(examples.paths[index])),
            f"true: {names[examples.labels[index]]}",
            f"predicted: {names[predictions[index]]} ({confidence:.2f})",
        )
        for number, line in enumerate(lines):
            draw.text(
                (left, top + _THUMBNAIL + number * _LINE),
                _fit(line, font),
                _INK,
                font,
            )
    return np.asarray(sheet)


def _read_thumbnail(path: str) -> Image.Image:
    with Image.open(path) as image:
        # Reads a large JPEG at a fraction of its size.
        image.draft("RGB", (_THUMBNAIL, _THUMBNAIL))
        image = ImageOps.exif_transpose(image).convert("RGB")
    scale = _THUMBNAIL / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    smooth = Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.NEAREST
    return image.resize(size, smooth)


def _fit(line: str, font) -> str:
    """Returns the line, cut in its middle to the width of a column."""
    fitted, keep = line, len(line)
    while font.getlength(fitted) > _WIDTH and keep > 2:
        keep -= 1
        fitted = f"{line[: keep // 2]}…{line[keep // 2 - keep :]}"
    return fitted
