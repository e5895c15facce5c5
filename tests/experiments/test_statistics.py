import numpy as np
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


def test_interval_within_tasks_counts_the_seeds_of_every_task():
    # Four tasks of three seeds, each with s = 1: the standard error is
    # sqrt(4 / 3) / 4 with 4 * 2 degrees of freedom, t(0.975, 8) = 2.306004.
    groups = [[shift - 1.0, shift, shift + 1.0] for shift in (0.0, 10.0, 20.0, 30.0)]
    pooled = statistics.pool_means(groups)
    assert pooled.mean == 15.0
    assert pooled.high - 15.0 == pytest.approx(2.306004 * (4 / 3) ** 0.5 / 4, abs=1e-5)
    assert pooled.low + pooled.high == pytest.approx(30.0)


def test_interval_within_one_task_is_that_of_its_seeds():
    values = [1.0, 2.0, 4.0]
    pooled, alone = statistics.pool_means([values]), statistics.estimate_mean(values)
    assert (pooled.low, pooled.high) == pytest.approx((alone.low, alone.high))


def test_wilcoxon_of_one_sign_is_the_share_of_two_of_all_signs():
    assert statistics.measure_signs([0.5, 1.0, 1.5, 2.0]) == pytest.approx(2 / 2**4)
    assert statistics.measure_signs([0.0, 0.0]) is None


def test_detectable_difference_is_that_of_power_tables():
    # 16 pairs find a standardized difference of 0.75 with a power of 0.8.
    values = np.linspace(-1, 1, 16)
    values /= np.std(values, ddof=1)
    assert statistics.find_detectable(values) == pytest.approx(0.75, abs=0.01)
    assert statistics.find_detectable([3.0]) is None
