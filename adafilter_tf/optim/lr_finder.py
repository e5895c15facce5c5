"""The learning rate range test: the rate rises until the loss does.

Source: Smith 2017, arXiv 1506.01186, section 3.3.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import keras
import matplotlib.figure
import numpy as np
from scipy import ndimage

from adafilter_tf import errors
from adafilter_tf.files import atomic

LOWEST, HIGHEST = 1e-6, 10.0
_SMOOTHING = 0.9
# Standard deviation of the window that smooths the finished curve, in powers of 10 of
# the rate, and at least in steps.
_WINDOW_DECADES, _WINDOW_STEPS = 0.2, 2.0
# The start, in powers of 10: a new head's first steps lower the loss at any rate.
_IGNORED_DECADES = 0.75
# A clear fall is this many times the noise of the smoothed curve, and this share of the
# loss at the start.
_NOISES, _LEAST_FALL = 4.0, 0.03
# The test ends when the loss exceeds its lowest value by this factor.
_TOLERANCE = 4.0


@dataclasses.dataclass(frozen=True, eq=False)
class LRRangeTest:
    """The losses of a range test, and the rates that they suggest.

    Attributes:
        rates: The backbone's learning rate at each step, [n].
        losses: Loss of each step's batch, [n].
        smoothed: Their average over a window of neighbours, [n].
        suggestion: The rate at which the smoothed loss falls fastest.
        lowest: The rate at which it is lowest; above it the loss rises.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float
    lowest: float


def rising_schedule(
    learning_rate: float, total_steps: int, peak: float
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns rates that rise by the same factor at each step.

    Args:
        learning_rate: Peak rate of this group of weights.
        total_steps: Number of steps.
        peak: The backbone's learning rate, which rises from `LOWEST` to `HIGHEST`;
            other groups keep their ratio to it.
    """
    return keras.optimizers.schedules.ExponentialDecay(
        LOWEST * learning_rate / peak,
        decay_steps=max(1, total_steps - 1),
        decay_rate=HIGHEST / LOWEST,
    )


class BatchLosses(keras.callbacks.Callback):
    """Records the loss of each step; stops when it has risen far above its lowest.

    Attributes:
        losses: The loss of each step so far.
    """

    def __init__(self):
        super().__init__()
        self.losses: list[float] = []
        self._sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        """Recovers the batch's loss from the running mean that Keras reports."""
        new_sum = float(logs["loss"]) * (batch + 1)
        self.losses.append(new_sum - self._sum)
        self._sum = new_sum
        smoothed = _smooth(np.array(self.losses))
        if not np.isfinite(new_sum) or smoothed[-1] > _TOLERANCE * smoothed.min():
            self.model.stop_training = True


def evaluate_losses(losses: Sequence[float], total_steps: int) -> LRRangeTest:
    """Returns the range test of the losses of a training.

    Args:
        losses: Loss of each step that was taken; the last may not be finite.
        total_steps: Number of planned steps.

    Raises:
        RunError: When the loss did not clearly fall.

    Example:
        >>> losses = np.concatenate([np.linspace(2, 1, 50), np.linspace(1, 5, 50)])
        >>> result = evaluate_losses(losses, total_steps=100)
        >>> bool(result.suggestion < result.lowest)
        True
    """
    finite = np.array(losses, np.float64)
    finite = finite[: len(finite) if np.isfinite(finite).all() else -1]
    exponents = np.arange(len(finite)) / max(1, total_steps - 1)
    rates = LOWEST * (HIGHEST / LOWEST) ** exponents
    decade = (total_steps - 1) / np.log10(HIGHEST / LOWEST)
    window = max(_WINDOW_STEPS, _WINDOW_DECADES * decade)
    begin = int(np.ceil(_IGNORED_DECADES * decade))
    if len(finite) < begin + 3:
        raise _no_fall(len(finite))
    smoothed = ndimage.gaussian_filter1d(finite, window, mode="nearest")
    lowest = begin + int(smoothed[begin:].argmin())
    falling = smoothed[begin : lowest + 1]
    noise = np.std(finite[: lowest + 1] - smoothed[: lowest + 1]) / np.sqrt(window)
    fall = falling.max() - smoothed[lowest]
    if fall < max(_NOISES * noise, _LEAST_FALL * abs(falling.max())):
        raise _no_fall(len(finite))
    slopes = ndimage.gaussian_filter1d(finite, window, order=1, mode="nearest")
    steepest = begin + int(slopes[begin : lowest + 1].argmin())
    return LRRangeTest(rates, finite, smoothed, rates[steepest], rates[lowest])


def _no_fall(steps: int) -> errors.RunError:
    return errors.RunError(
        f"There is no clear fall of the loss in {steps} steps; check that the images "
        "match their labels, or set more --finder_steps or a larger --batch_size."
    )


def write_range_test(
    test: LRRangeTest, folder: str | os.PathLike
) -> list[pathlib.Path]:
    """Writes `learning_rates.csv` and `learning_rates.png`; returns their paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, plot = folder / "learning_rates.csv", folder / "learning_rates.png"
    rows = np.stack((test.rates, test.losses, test.smoothed), axis=1).tolist()
    atomic.write_csv(table, ("learning_rate", "loss", "smoothed_loss"), rows)
    figure = matplotlib.figure.Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(test.rates, test.losses, color="0.8", label="loss of the batch")
    axes.plot(test.rates, test.smoothed, label="smoothed")
    axes.axvline(
        test.suggestion,
        color="tab:green",
        label=f"fastest fall {test.suggestion:.2g}",
    )
    axes.axvline(
        test.lowest, color="tab:red", ls=":", label=f"lowest {test.lowest:.2g}"
    )
    axes.set(
        xscale="log",
        xlabel="learning rate of the backbone",
        ylabel="training loss",
        ylim=(0, 1.2 * test.smoothed[: len(test.smoothed) // 2 + 1].max()),
    )
    axes.legend()
    with atomic.replacing(plot) as temporary:
        figure.savefig(temporary, dpi=100)
    return [table, plot]


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Returns the moving average, corrected for its start at 0."""
    averages, average = [], 0.0
    for count, loss in enumerate(losses, 1):
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        averages.append(average / (1 - _SMOOTHING**count))
    return np.array(averages)
