"""Where a comparison stands: a line after every cell, with the time that remains."""

import collections
from collections.abc import Mapping, Sequence

from adafilter_tf.experiments.plan import Cell
from adafilter_tf.experiments.store import Store
from adafilter_tf.files.text import format_duration


class Progress:
    """Counts finished cells and foretells the rest from the seconds of each row.

    Args:
        planned: All cells of the comparison.
        store: Those that it has are finished.
        workers: How many cells run at a time.
    """

    def __init__(self, planned: Sequence[Cell], store: Store, workers: int):
        self._total = len(planned)
        self._workers = workers
        self._remaining = collections.Counter(cell.row for cell in planned)
        self._seconds: dict[str, list[float]] = collections.defaultdict(list)
        for cell in planned:
            if store.has(cell):
                self._count(cell, store.load(cell))

    def finish(self, cell: Cell, metrics: Mapping) -> str:
        """Counts a finished cell.

        Returns:
            Such as "cell 37 of 630, final digits l2_sp seed 1: error 4.2 %, 11 s;
            1 h 12 min remain"; in the search the error is that of validation.
        """
        self._count(cell, metrics)
        split, label = {
            "search": ("validation", "validation error"),
            "final": ("test", "error"),
        }[cell.phase]
        error = 100.0 * (1.0 - metrics[f"{split}_accuracy"])
        number = self._total - self._remaining.total()
        return (
            f"cell {number} of {self._total}, {cell}: {label} {error:.1f} %, "
            f"{metrics['seconds']:.0f} s; {format_duration(self._foretell())} remain"
        )

    def _count(self, cell: Cell, metrics: Mapping) -> None:
        self._remaining[cell.row] -= 1
        self._seconds[cell.row].append(metrics["seconds"])

    def _foretell(self) -> float:
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
