import numpy as np
import pytest

from adafilter_tf.training.tensorboard import gate_figure, rendering


def image_of(figure):
    axes = figure.axes[0]
    return axes, axes.images[0]


@pytest.mark.parametrize("num_layers", [1, 16, 160])
@pytest.mark.parametrize("num_steps", [1, 7, 200])
def test_every_cell_has_the_value_of_its_layer_and_step(num_layers, num_steps):
    fractions = np.random.default_rng(0).uniform(size=(num_layers, num_steps))
    axes, image = image_of(gate_figure.gate_figure(fractions, range(num_steps)))
    np.testing.assert_array_equal(image.get_array(), fractions)
    assert image.get_clim() == (0.0, 1.0)
    assert axes.yaxis_inverted()  # The first layer is on top.


def test_rows_have_the_names_of_their_layers():
    names = ["stem_conv", "block_$1$_conv", "x" * 100]
    figure = gate_figure.gate_figure(np.zeros((3, 2)), [0, 1200], names)
    axes, _ = image_of(figure)
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown[:2] == names[:2]
    assert len(shown[2]) == 32 and "…" in shown[2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1,200"]
    rendering.render(figure)  # A dollar sign is not a formula.


def test_rendered_pixels_have_the_published_colours_of_viridis():
    fractions = np.array([[0.0, 1.0], [np.nan, 0.0]])
    pixels = rendering.render(gate_figure.gate_figure(fractions, [0, 1]))
    assert pixels.dtype == np.uint8 and pixels.shape[-1] == 3
    found = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}
    # van der Walt and Smith 2015: the ends of the map; grey for a missing value.
    assert {(68, 1, 84), (253, 231, 36), (204, 204, 204)} <= found


def test_long_history_keeps_first_and_last_column():
    fractions = np.full((2, 1001), 0.5)
    fractions[:, 0], fractions[:, -1] = 0.0, 1.0
    _, image = image_of(gate_figure.gate_figure(fractions, range(1001)))
    shown = image.get_array()
    assert shown.shape == (2, gate_figure.MAX_COLUMNS)
    assert np.all(shown[:, 0] == 0) and np.all(shown[:, -1] == 1)


def test_fraction_outside_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match=r"from 0.5 to 1.5"):
        gate_figure.gate_figure(np.array([[0.5, 1.5]]), [0, 1])


def test_steps_that_do_not_match_the_columns_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) and 2 steps"):
        gate_figure.gate_figure(np.zeros((2, 3)), [0, 1])
