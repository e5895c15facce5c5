"""Paired differences between methods, with intervals over seeds and over tasks."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import optimize, special, stats


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval; None where one value gives none."""

    mean: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of 0."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True)
class Reduction:
    """How far a method lowers the error of the reference, in percentage points.

    Attributes:
        by_task: Mean over seeds, for each task.
        average: Over the tasks; the interval is over seeds, for these tasks and the
            settings that the search chose for them.
        within_tasks: The same mean for these tasks; the interval is of the differences
            of the seeds within each task, which are many more than the seeds.
        over_tasks: The same mean; the interval is over tasks, as if sampled from
            all tasks of their kind, and contains the luck of the search.
        wilcoxon: Two-sided p-value of Wilcoxon's signed-rank test over the means of the
            tasks; None where all are 0.
        detectable: Smallest reduction that such tasks would show by the interval over
            tasks in 80 of 100 comparisons; None for one task.
        wins: Tasks with a mean above 0.
        losses: Tasks with a mean below 0.
        clear_wins: Wins whose interval excludes 0.
        clear_losses: Losses whose interval excludes 0.
    """

    by_task: dict[str, Interval]
    average: Interval
    within_tasks: Interval
    over_tasks: Interval
    wilcoxon: float | None
    detectable: float | None
    wins: int
    losses: int
    clear_wins: int
    clear_losses: int


def estimate_mean(values: Sequence[float] | np.ndarray) -> Interval:
    """Returns the mean of n independent values and Student's interval for it.

    mean +- t(0.975, n - 1) s / sqrt(n) with the sample's standard deviation s.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(_trim(mean), None, None)
    quantile = special.stdtrit(len(values) - 1, 0.975)
    half = float(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(*(_trim(value) for value in (mean, mean - half, mean + half)))


def reduce_error(
    reference: Mapping[str, Sequence[float]], method: Mapping[str, Sequence[float]]
) -> Reduction:
    """Compares a method with the reference in pairs: same task, same seed.

    Args:
        reference: Test errors in percent by task, one per seed.
        method: The same of the method, its seeds in the same order.
    """
    differences = {
        task: np.subtract(reference[task], errors) for task, errors in method.items()
    }
    by_task = {task: estimate_mean(of) for task, of in differences.items()}
    wins = [of for of in by_task.values() if of.mean > 0]
    losses = [of for of in by_task.values() if of.mean < 0]
    means = [of.mean for of in by_task.values()]
    return Reduction(
        by_task,
        estimate_mean(np.mean(list(differences.values()), axis=0)),
        pool_means(list(differences.values())),
        estimate_mean(means),
        wilcoxon=measure_signs(means),
        detectable=find_detectable(means),
        wins=len(wins),
        losses=len(losses),
        clear_wins=sum(of.excludes_zero for of in wins),
        clear_losses=sum(of.excludes_zero for of in losses),
    )


def pool_means(groups: Sequence[Sequence[float] | np.ndarray]) -> Interval:
    """Returns the mean of the groups' means, with the interval of what varies within.

    Its variance is the sum of s_t^2 / n_t over the T groups, divided by T^2; the
    degrees of freedom are Welch and Satterthwaite's.

    Args:
        groups: Independent values of each group.

    Example:
        >>> pooled = pool_means([[1.0, 3.0], [5.0, 7.0]])
        >>> pooled.mean, round(pooled.low, 2)
        (4.0, 0.96)
    """
    mean = _trim(float(np.mean([np.mean(group) for group in groups])))
    if min(len(group) for group in groups) < 2:
        return Interval(mean, None, None)
    terms = np.array([np.var(group, ddof=1) / len(group) for group in groups])
    if not terms.any():
        return Interval(mean, mean, mean)
    parts = [term**2 / (len(g) - 1) for term, g in zip(terms, groups, strict=True)]
    quantile = special.stdtrit(terms.sum() ** 2 / sum(parts), 0.975)
    half = float(quantile * np.sqrt(terms.sum()) / len(groups))
    return Interval(mean, _trim(mean - half), _trim(mean + half))


def measure_signs(means: Sequence[float]) -> float | None:
    """Returns the two-sided p-value of Wilcoxon's signed-rank test, None for zeros.

    Example:
        >>> measure_signs([1.0, 2.0, 3.0, 4.0, 5.0])
        0.0625
    """
    if not np.any(means):
        return None
    return float(stats.wilcoxon(means).pvalue)


def find_detectable(
    values: Sequence[float] | np.ndarray, power: float = 0.8
) -> float | None:
    """Returns the mean that a t-test at 5 % finds with some power, None for one value.

    Args:
        values: A sample with the spread and the number of those of the test.
        power: Share of the tests that are to find it.

    Example:
        >>> round(find_detectable([0.0, 2.0] * 7), 2)
        0.84
    """
    count = len(values)
    if count < 2 or not np.std(values):
        return None
    critical = special.stdtrit(count - 1, 0.975)

    def miss(noncentrality):
        return stats.nct.sf(critical, count - 1, noncentrality) - power

    noncentrality = optimize.brentq(miss, 0.0, 100.0)
    return float(noncentrality * np.std(values, ddof=1) / np.sqrt(count))


def _trim(value: float) -> float:
    # So that rounding of floats makes no win out of a tie.
    return round(value, 9) + 0.0
