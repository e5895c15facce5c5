"""The progress of a comparison: a line after every trial, with the time left."""

import collections
from collections.abc import Mapping, Sequence

from adafilter_tf.experiments.plan import Trial
from adafilter_tf.experiments.store import Store
from adafilter_tf.files.text import format_duration


class Progress:
    """Counts finished trials and estimates the time left from each row's trials.

    Args:
        planned: All trials of the comparison.
        store: Those that it has are finished.
        workers: How many trials run at a time.
    """

    def __init__(self, planned: Sequence[Trial], store: Store, workers: int):
        self._total = len(planned)
        self._workers = workers
        self._remaining = collections.Counter(trial.row for trial in planned)
        self._seconds: dict[str, list[float]] = collections.defaultdict(list)
        for trial in planned:
            if store.has(trial):
                self._count(trial, store.load(trial))

    def describe(self) -> str:
        """Returns such as "36 of 630 trials are finished; 1 h 12 min remain"."""
        finished = self._total - self._remaining.total()
        line = f"{finished} of {self._total} trials are finished"
        if not self._seconds:
            return f"{line}; the first one says how long the others take"
        return f"{line}; {format_duration(self._estimate_remaining())} remain"

    def finish(self, trial: Trial, metrics: Mapping) -> str:
        """Counts a finished trial.

        Returns:
            Such as "trial 37 of 630, final digits l2_sp seed 1: error 4.2 %, 11 s;
            1 h 12 min remain"; in the search the error is that of validation.
        """
        self._count(trial, metrics)
        split, label = {
            "search": ("validation", "validation error"),
            "final": ("test", "error"),
        }[trial.phase]
        error = 100.0 * (1.0 - metrics[f"{split}_accuracy"])
        number = self._total - self._remaining.total()
        return (
            f"trial {number} of {self._total}, {trial}: {label} {error:.1f} %, "
            f"{metrics['seconds']:.0f} s; "
            f"{format_duration(self._estimate_remaining())} remain"
        )

    def _count(self, trial: Trial, metrics: Mapping) -> None:
        self._remaining[trial.row] -= 1
        self._seconds[trial.row].append(metrics["seconds"])

    def _estimate_remaining(self) -> float:
        every = [seconds for of_row in self._seconds.values() for seconds in of_row]
        return (
            sum(
                count * _mean(self._seconds.get(row) or every)
                for row, count in self._remaining.items()
            )
            / self._workers
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
