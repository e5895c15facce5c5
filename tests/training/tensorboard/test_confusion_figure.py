import numpy as np

from adafilter_tf.training.tensorboard import confusion_figure, gate_figure


def test_rows_are_true_classes():
    counts = confusion_figure.count_confusions([0, 0, 2, 2, 2], [0, 1, 2, 2, 0], 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])


def test_cells_have_the_colour_of_their_share_of_the_row():
    """For 75 classes a cell is 8 pixels, without text over it."""
    counts = np.zeros((75, 75), int)
    counts[0, :4] = 2
    counts[1, 1] = 5
    figure = confusion_figure.confusion_figure(counts, [str(k) for k in range(75)])
    for row, column, share in ((0, 3, 0.25), (0, 4, 0.0), (1, 1, 1.0), (2, 0, np.nan)):
        pixel = figure[20 + 8 * row + 4, 20 + 8 * column + 4]
        np.testing.assert_array_equal(pixel, gate_figure.colours(np.array(share)))


def test_counts_and_names_are_written_where_there_is_room():
    counts = np.array([[7, 0], [0, 3]])
    named = confusion_figure.confusion_figure(counts, ["cat", "dog"])
    other = confusion_figure.confusion_figure(counts * 2, ["cat", "dog"])
    assert named.shape == other.shape
    assert not np.array_equal(named, other)  # the counts; all shares are the same
    long = confusion_figure.confusion_figure(counts, ["cat" * 100, "dog"])
    assert long.shape[1] < 400
