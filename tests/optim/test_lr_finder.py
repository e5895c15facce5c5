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
    with pytest.raises(errors.RunError, match="did not fall in 20 steps"):
        lr_finder.evaluate_losses(list(range(1, 21)), 100)


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
