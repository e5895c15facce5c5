import numpy as np
import pytest

from adafilter_tf.data.examples import Examples
from adafilter_tf.training.tensorboard import error_sheet


def test_most_confident_errors_come_first():
    logits = np.log([[0.7, 0.3], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    errors = error_sheet.list_errors(logits, [1, 1, 1, 0])
    assert [index for index, _ in errors] == [1, 0]
    assert [p for _, p in errors] == pytest.approx([0.9, 0.7])


def test_sheet_shows_the_images_in_their_order(image_files):
    paths, pixels = image_files
    examples = Examples(tuple(paths), (0,) * 7, ("cat", "d" * 200))
    errors = [(3, 0.9), (5, 0.8)]
    sheet = error_sheet.error_sheet(examples, errors, [1] * 7)
    for place, (index, _) in enumerate(errors):
        left = 8 + place * 144
        shown = sheet[8 : 8 + 96, left : left + 96]
        # 8 x 8 pixels, each shown as 12 x 12.
        np.testing.assert_array_equal(shown[6::12, 6::12], pixels[index])
    assert (sheet[104:149, 8:144] < 255).any()
    assert (sheet[:, 146:151] == 255).all()  # a long name stays in its column
