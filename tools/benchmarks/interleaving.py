"""Times of several functions, measured in turn so that a busy machine hurts them alike.

On a shared machine the seconds of one function mean little. Functions that take turns,
A B C A B C, meet about the same load in each round, so the ratio of two of them within
a round is far steadier than either time. The processor's seconds, which do not count
the time in which other programs have the cores, are steadier still.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A ratio over the rounds: its median and its interquartile range."""

    median: float
    lower: float
    upper: float


@dataclasses.dataclass(frozen=True)
class Times:
    """The seconds of a function in each round, float64 [rounds].

    Attributes:
        wall: Passed on the clock.
        processor: Spent by this process on all cores.
    """

    wall: np.ndarray
    processor: np.ndarray


def measure(
    functions: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int
) -> dict[str, Times]:
    """Returns the times of functions that are called in turn.

    Args:
        functions: Name to function; each returns only when its work is done.
        rounds: How often each one is timed.
        warm_up: How often each one is called before, at least once.
    """
    for function in functions.values():
        for _ in range(warm_up):
            function()
    times = {name: np.zeros((2, rounds)) for name in functions}
    for index in range(rounds):
        for name, function in functions.items():
            wall, processor = time.perf_counter(), time.process_time()
            function()
            times[name][0, index] = time.perf_counter() - wall
            times[name][1, index] = time.process_time() - processor
    return {name: Times(wall, processor) for name, (wall, processor) in times.items()}


def divide(numerator: np.ndarray, denominator: np.ndarray) -> Ratio:
    """Returns the ratio of two functions' times, taken round by round."""
    lower, median, upper = np.percentile(numerator / denominator, [25, 50, 75])
    return Ratio(float(median), float(lower), float(upper))
