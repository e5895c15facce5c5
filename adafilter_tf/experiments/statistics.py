"""Paired differences between methods, with intervals over seeds and over tasks."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import special


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
        over_tasks: The same mean; the interval is over tasks, as if sampled from
            all tasks of their kind, and contains the luck of the search.
        wins: Tasks with a mean above 0.
        losses: Tasks with a mean below 0.
        clear_wins: Wins whose interval excludes 0.
        clear_losses: Losses whose interval excludes 0.
    """

    by_task: dict[str, Interval]
    average: Interval
    over_tasks: Interval
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
    return Reduction(
        by_task,
        estimate_mean(np.mean(list(differences.values()), axis=0)),
        estimate_mean([of.mean for of in by_task.values()]),
        wins=len(wins),
        losses=len(losses),
        clear_wins=sum(of.excludes_zero for of in wins),
        clear_losses=sum(of.excludes_zero for of in losses),
    )


def _trim(value: float) -> float:
    # So that rounding of floats makes no win out of a tie.
    return round(value, 9) + 0.0
