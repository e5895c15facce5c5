import numpy as np
import pytest

from adafilter_tf.training.tensorboard import gate_figure


def lightness(rgb):
    """CIE 1976 L* of sRGB, 0 to 100 (IEC 61966-2-1 and CIE 15)."""
    linear = np.asarray(rgb, np.float64) / 255
    linear = np.where(
        linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4
    )
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(np.maximum(luminance, 216 / 24389)) - 16


def test_equal_steps_of_the_share_are_equal_steps_of_lightness():
    steps = np.diff(lightness(gate_figure.colours(np.linspace(0, 1, 9))))
    assert steps.min() > 0
    # 8 steps from L* 15 to 91; rounding to 8 bits moves one by less than 1.
    np.testing.assert_allclose(steps, steps.mean(), atol=1.5)


def test_published_colours_of_viridis():
    np.testing.assert_array_equal(
        gate_figure.colours(np.array([0.0, 0.5, 1.0])),
        [(68, 1, 84), (33, 144, 141), (253, 231, 37)],
    )


def test_missing_share_is_grey():
    np.testing.assert_array_equal(
        gate_figure.colours(np.array([np.nan])), [(200, 200, 200)]
    )


@pytest.mark.parametrize("num_layers", [1, 16, 53, 160])
@pytest.mark.parametrize("num_steps", [1, 7, 200])
def test_every_cell_shows_its_share(num_layers, num_steps):
    shares = np.random.default_rng(0).uniform(size=(num_layers, num_steps))
    figure = gate_figure.gate_figure(shares, range(num_steps))
    height, width = gate_figure.cell_size(num_layers, num_steps)
    assert figure.dtype == np.uint8
    assert figure.shape[0] < 1100 and figure.shape[1] < 1100
    rows = 8 + height // 2 + height * np.arange(num_layers)
    left = 16 + 8 * len(str(num_layers))
    columns = left + width // 2 + width * np.arange(num_steps)
    np.testing.assert_array_equal(
        figure[np.ix_(rows, columns)], gate_figure.colours(shares)
    )


def test_bar_runs_from_tuned_at_the_top_to_frozen_at_the_bottom():
    figure = gate_figure.gate_figure(np.full((10, 10), np.nan), range(10))
    coloured = np.all(figure == gate_figure.colours(np.array([1.0])), axis=-1)
    top, column = np.argwhere(coloured)[0]
    bar = figure[top : top + 240, column]
    assert np.all(np.diff(lightness(bar)) <= 0)
    np.testing.assert_array_equal(bar[-1], (68, 1, 84))


def test_long_history_keeps_first_and_last_column():
    shares = np.full((2, 1001), 0.5)
    shares[:, 0], shares[:, -1] = 0.0, 1.0
    figure = gate_figure.gate_figure(shares, range(1001))
    left, (_, width) = 24, gate_figure.cell_size(2, 200)
    np.testing.assert_array_equal(figure[10, left], (68, 1, 84))
    np.testing.assert_array_equal(figure[10, left + 200 * width - 1], (253, 231, 37))
    assert figure.shape[1] < 1100


def test_labels_are_drawn_and_stay_apart():
    one = gate_figure.gate_figure(np.full((4, 2), 0.5), [100, 200])
    other = gate_figure.gate_figure(np.full((4, 2), 0.5), [100, 300])
    changed = np.argwhere(np.any(one != other, axis=-1))
    # Only the first digit of the second label, a glyph of 6 x 10 pixels.
    assert len(changed) > 0
    assert np.ptp(changed, axis=0)[0] < 10 and np.ptp(changed, axis=0)[1] < 6


@pytest.mark.parametrize(
    ("count", "room", "cell", "stride"),
    [(5, 10, 12, 1), (160, 14, 6, 5), (200, 48, 4, 20), (1000, 100, 1, 100)],
)
def test_label_stride_is_the_smallest_round_number_that_fits(count, room, cell, stride):
    assert gate_figure.label_stride(count, room, cell) == stride


def test_share_outside_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match=r"shares from 0.5 to 1.5; allowed are 0 to 1"):
        gate_figure.gate_figure(np.array([[0.5, 1.5]]), [0, 1])


def test_steps_that_do_not_match_the_columns_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) and 2 steps; needed are"):
        gate_figure.gate_figure(np.zeros((2, 3)), [0, 1])
