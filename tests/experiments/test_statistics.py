import pytest

from adafilter_tf.experiments import statistics


def test_interval_of_three_values_is_students():
    # s = 1, and t(0.975, 2) = 4.302653 in the tables.
    interval = statistics.estimate_mean([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5
    assert interval.mean == 2.0
    assert interval.low == pytest.approx(2.0 - half, abs=1e-5)
    assert interval.high == pytest.approx(2.0 + half, abs=1e-5)
    assert not interval.excludes_zero


def test_one_value_has_no_interval():
    interval = statistics.estimate_mean([1.5])
    assert (interval.mean, interval.low, interval.high) == (1.5, None, None)
    assert not interval.excludes_zero


def test_differences_are_paired_by_seed_and_averaged_over_tasks():
    reference = {"a": [10.0, 20.0], "b": [5.0, 5.0], "c": [1.0, 1.0]}
    method = {"a": [9.0, 18.0], "b": [6.0, 7.0], "c": [1.0, 1.0]}
    reduction = statistics.reduce_error(reference, method)
    assert reduction.by_task["a"].mean == 1.5 and reduction.by_task["b"].mean == -1.5
    # By seed: (1 - 1 + 0) / 3 and (2 - 2 + 0) / 3.
    assert reduction.average == statistics.Interval(0.0, 0.0, 0.0)
    # By task: 1.5, -1.5 and 0, so s = 1.5.
    assert reduction.over_tasks.mean == 0.0
    assert reduction.over_tasks.high == pytest.approx(4.302653 * 1.5 / 3**0.5, abs=1e-5)
    assert (reduction.wins, reduction.losses) == (1, 1)
    # s = 1 / sqrt(2), so the half width is 12.7 / 2: no interval excludes 0.
    assert reduction.by_task["a"].high == pytest.approx(1.5 + 12.7062 / 2, abs=1e-4)
    assert (reduction.clear_wins, reduction.clear_losses) == (0, 0)


def test_clear_wins_and_losses_have_intervals_that_exclude_zero():
    reference = {"a": [3.0, 3.1], "b": [1.0, 1.1]}
    method = {"a": [1.0, 1.1], "b": [4.0, 4.1]}
    reduction = statistics.reduce_error(reference, method)
    assert (reduction.clear_wins, reduction.clear_losses) == (1, 1)


def test_rounding_of_floats_is_no_win():
    reference = {"a": [100 * (1 - 0.7), 100 * (1 - 0.9)]}
    method = {"a": [100 * (1 - 0.9), 100 * (1 - 0.7)]}
    reduction = statistics.reduce_error(reference, method)
    assert (reduction.wins, reduction.losses) == (0, 0)
