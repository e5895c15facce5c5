import pathlib

import numpy as np
import pytest

from adafilter_tf.data.examples import Examples
from adafilter_tf.training.tensorboard import error_sheet, rendering


def test_most_confident_errors_come_first():
    logits = np.log([[0.7, 0.3], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    errors = error_sheet.list_errors(logits, [1, 1, 1, 0])
    assert [index for index, _ in errors] == [1, 0]
    assert [p for _, p in errors] == pytest.approx([0.9, 0.7])


def test_sheet_shows_the_images_in_their_order(image_files):
    paths, pixels = image_files
    examples = Examples(tuple(paths), (0,) * 7, ("cat", "d" * 200))
    errors = [(3, 0.9), (5, 0.8)]
    figure = error_sheet.error_sheet(examples, errors, [1] * 7)
    for axes, (index, probability) in zip(figure.axes, errors, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), pixels[index])
        lines = axes.get_title(loc="left").splitlines()
        assert lines[0] == pathlib.Path(paths[index]).name
        assert lines[1] == "true: cat" and lines[2].endswith(f"({probability:.2f})")
        assert max(map(len, lines)) <= 28
    assert rendering.render(figure).shape[2] == 3


def test_image_that_has_gone_does_not_end_the_evaluation(tmp_path):
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = (str(tmp_path / "gone.png"), str(tmp_path / "cut.png"))
    examples = Examples(paths, (0, 0), ("cat", "dog"))
    figure = error_sheet.error_sheet(examples, [(0, 0.9), (1, 0.8)], [1, 1])
    assert all(np.ptp(axes.images[0].get_array()) == 0 for axes in figure.axes)
