import csv

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.optim import lr_finder


def test_rates_rise_by_the_same_factor_and_keep_their_ratio():
    rates = lr_finder.rising_schedule(0.02, total_steps=8, peak=0.01)
    assert float(rates(0)) == pytest.approx(2e-6, rel=1e-4)
    assert float(rates(1)) == pytest.approx(2e-5, rel=1e-4)
    assert float(rates(7)) == pytest.approx(20.0, rel=1e-4)


def test_suggestion_lies_where_the_loss_falls(tmp_path):
    steps = 71  # a factor of 10 each ten steps
    losses = [3.0] * 30 + list(np.linspace(3, 1, 10)) + [1.0] * 15 + [5.0] * 5
    search = lr_finder.evaluate_losses([*losses, float("nan")], steps)
    assert len(search.rates) == len(losses)
    assert 1e-3 < search.suggestion <= 1e-2
    assert 1e-2 < search.lowest < 1
    table, plot = lr_finder.write_range_test(search, tmp_path / "new")
    rows = list(csv.DictReader(table.open()))
    np.testing.assert_allclose([float(row["loss"]) for row in rows], losses)
    assert float(rows[10]["learning_rate"]) == pytest.approx(1e-5)
    assert tf.io.decode_png(plot.read_bytes()).shape == (500, 800, 4)


def test_loss_that_only_rises_is_an_error():
    with pytest.raises(errors.RunError, match="no clear fall of the loss in 20 steps"):
        lr_finder.evaluate_losses(list(range(1, 21)), 100)


def _curve(steps, points, noise, seed):
    """Losses through (rate, loss) points, linear in the logarithm, with noise."""
    rates = lr_finder.LOWEST * (lr_finder.HIGHEST / lr_finder.LOWEST) ** (
        np.arange(steps) / (steps - 1)
    )
    known = np.array(points)
    losses = np.interp(np.log(rates), np.log(known[:, 0]), known[:, 1])
    return losses + noise * np.random.default_rng(seed).normal(size=steps)


CURVES = {
    # Where the loss falls, and between which rates it does so fastest.
    "late": ([(6e-3, 2.3), (3e-2, 0.6), (0.3, 0.6), (1, 4)], (5e-3, 3.5e-2)),
    "early": ([(1e-5, 2.3), (3e-4, 0.5), (0.03, 0.4), (0.3, 5)], (8e-6, 4e-4)),
    "two falls": (
        [(1e-5, 2.3), (1e-4, 2.1), (3e-3, 2.1), (2e-2, 0.7), (0.2, 0.7), (1, 5)],
        (2e-3, 3e-2),
    ),
    "slow": ([(1e-5, 4.6), (1e-2, 3.5), (0.05, 2.0), (1, 2.2), (5, 9)], (7e-3, 7e-2)),
    "drop at once": (
        [(1e-6, 3.2), (2e-6, 2.3), (5e-3, 2.3), (5e-2, 1.0), (0.5, 1.2), (3, 8)],
        (4e-3, 7e-2),
    ),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("steps", [60, 100, 300])
def test_suggestion_is_the_known_answer_of_a_noisy_curve(name, steps):
    points, (low, high) = CURVES[name]
    for seed in range(5):
        found = lr_finder.evaluate_losses(_curve(steps, points, 0.1, seed), steps)
        assert low <= found.suggestion <= high, (name, steps, seed)
        assert found.suggestion < found.lowest


@pytest.mark.parametrize("steps", [60, 100, 300])
def test_noise_and_a_rise_are_no_clear_fall(steps):
    for seed in range(5):
        for points in ([(1, 2.3)], [(0.1, 2.3), (1, 2.4), (5, 9)]):
            with pytest.raises(errors.RunError, match="no clear fall"):
                lr_finder.evaluate_losses(_curve(steps, points, 0.15, seed), steps)


def test_search_ends_when_the_loss_has_risen():
    notes = lr_finder.BatchLosses()
    model = type("Model", (), {"stop_training": False})()
    notes.set_model(model)
    mean = []
    for batch, loss in enumerate([1.0, 0.5, 1.0, 9.0, 9.0]):
        mean.append(loss)
        assert not model.stop_training
        notes.on_train_batch_end(batch, {"loss": np.mean(mean)})
        if model.stop_training:
            break
    assert batch == 3
    assert notes.losses == pytest.approx([1.0, 0.5, 1.0, 9.0])
