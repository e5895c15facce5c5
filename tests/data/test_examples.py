"""Labelled lists of images."""

import os

import pytest

from adafilter_tf.data import examples as examples_lib
from adafilter_tf.data.examples import Examples


def test_take_gives_examples_in_the_order_asked():
    examples = Examples(("x", "y", "z"), (0, 1, 2), ("a", "b", "c"))
    assert examples.take([2, 0]) == Examples(("z", "x"), (2, 0), ("a", "b", "c"))


def test_count_per_class_includes_classes_without_examples():
    examples = Examples(("x", "y"), (2, 2), ("a", "b", "c", "d"))
    assert examples.count_per_class().tolist() == [0, 0, 2, 0]


def test_labels_and_paths_have_to_match():
    with pytest.raises(ValueError, match="received 2 paths and 1 labels"):
        Examples(("x", "y"), (0,), ("a",))


def test_paths_are_shown_in_one_line_of_text():
    path = os.fsdecode(b"/a b/\xc3\xbc\xff\n\t|.png")
    assert examples_lib.show_path(path) == "/a b/ü\\udcff\\n\\t|.png"
    assert examples_lib.show_path("👩\u200d🔬\u00a0.png") == "👩\u200d🔬\u00a0.png"
