import numpy as np
import pytest

from adafilter_tf.evaluation.explanation import paired_difference


def test_difference_and_interval_by_hand():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 0], bool)
    second = np.array([1, 1, 1, 0, 0, 0, 1, 0], bool)
    found = paired_difference.measure_difference(first, second)
    assert found["difference"] == (3 - 1) / 8
    # 3.5 and 1.5 of 10: variance (3.5 + 1.5 - 2 ** 2 / 10) / 10 ** 2.
    half = 1.96 * np.sqrt(4.6) / 10
    assert found["low"] == pytest.approx(0.2 - half, abs=1e-4)
    assert found["high"] == pytest.approx(0.2 + half, abs=1e-4)


def test_equal_answers_leave_an_interval_around_zero():
    right = np.ones(50, bool)
    found = paired_difference.measure_difference(right, right)
    assert found["difference"] == 0
    assert -0.05 < found["low"] < 0 < found["high"] < 0.05


def test_interval_holds_the_truth_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        # Both right .7, only the first .12, only the second .05, none .13.
        cells = rng.choice(4, 150, p=[0.7, 0.12, 0.05, 0.13])
        first, second = np.isin(cells, [0, 1]), np.isin(cells, [0, 2])
        found = paired_difference.measure_difference(first, second)
        covered.append(found["low"] <= 0.07 <= found["high"])
    # Three standard errors of 2,000 draws are 0.015.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_interval_of_an_accuracy_is_wilsons_by_hand():
    for right, count in ((8, 10), (0, 5), (451, 451)):
        share, z = right / count, 1.959964
        centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        half = (
            z
            / (1 + z**2 / count)
            * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
        )
        found = paired_difference.find_interval(right, count)
        assert found == pytest.approx((centre - half, centre + half), abs=1e-5)
