import numpy as np

from adafilter_tf.training.tensorboard import confusion_figure, rendering


def test_cells_have_the_fraction_of_their_row():
    counts = np.array([[1, 3], [0, 5]])
    axes = confusion_figure.confusion_figure(counts, ["cat", "dog"]).axes[0]
    shown = axes.images[0].get_array()
    np.testing.assert_array_equal(shown, [[0.25, 0.75], [0.0, 1.0]])
    assert [text.get_text() for text in axes.texts] == ["1", "3", "5"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "dog"]


def test_class_without_images_is_missing():
    axes = confusion_figure.confusion_figure(np.diag([2, 0]), ["a", "b"]).axes[0]
    mask = np.ma.getmaskarray(axes.images[0].get_array())
    assert mask.tolist() == [[False, False], [True, True]]


def test_many_classes_have_neither_counts_nor_names():
    names = [str(k) for k in range(75)]
    figure = confusion_figure.confusion_figure(np.eye(75, dtype=int), names)
    axes = figure.axes[0]
    assert not axes.texts and len(axes.get_xticks()) < 20
    assert max(rendering.render(figure).shape) < 1100


def test_long_name_leaves_room_for_the_matrix():
    figure = confusion_figure.confusion_figure(np.eye(2, dtype=int), ["x" * 300, "$b"])
    assert max(rendering.render(figure).shape) < 600
    assert figure.axes[0].get_window_extent().width > 100
