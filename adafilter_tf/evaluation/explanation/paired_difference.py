"""The interval of an accuracy, and of the difference of two on the same images."""

import numpy as np
from scipy import stats

_NORMAL_975 = 1.959963984540054


def find_interval(num_right: int, num_images: int) -> tuple[float, float]:
    """Returns the 95 % interval of an accuracy, each end 0..1 (Wilson 1927, JASA 22).

    Args:
        num_right: Images that are classified correctly.
        num_images: All images, at least one.

    Example:
        >>> low, high = find_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    found = stats.binomtest(num_right, num_images).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def measure_difference(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Returns accuracy of `first` minus that of `second`, with its 95 % interval.

    Wald's interval with half an image added to each of the four cells of right and
    wrong (Agresti & Min 2005, Statistics in Medicine 24), which keeps its coverage when
    few images differ.

    Args:
        first: bool [n], which images are right.
        second: The same images, in other circumstances.

    Returns:
        `difference`, `low` and `high`, each -1..1.
    """
    gained = np.count_nonzero(first & ~second)
    lost = np.count_nonzero(second & ~first)
    count = len(first) + 2
    centre = (gained - lost) / count
    spread = np.sqrt(gained + lost + 1 - (gained - lost) ** 2 / count) / count
    return {
        "difference": (gained - lost) / len(first),
        "low": max(-1.0, centre - _NORMAL_975 * float(spread)),
        "high": min(1.0, centre + _NORMAL_975 * float(spread)),
    }
