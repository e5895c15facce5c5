"""The tuned fractions of a run's evaluations, kept across a resume."""

import json
import os

import numpy as np

from adafilter_tf import errors
from adafilter_tf.files import atomic


class GateHistory:
    """The tuned fraction of every layer at every evaluation, kept in a JSON-lines file.

    Each line: `{"step": 120, "tuned_fraction": {"conv2_1": 0.31, ...}}`. The file is
    read by `truncate`, once the step to resume from is known.

    Args:
        path: the file; its folder must exist when the first row is appended.
    """

    def __init__(self, path: str):
        self.path = path
        self._rows: list[dict] = []

    def truncate(self, *, last_step: int) -> None:
        """Reads the file's rows up to `last_step`; later ones are dropped.

        Raises:
            RunError: a line is not a row; the message names it.
        """
        self._rows = []
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                rows = [self._row(number, line) for number, line in enumerate(file, 1)]
            self._rows = [row for row in rows if row["step"] <= last_step]

    def _row(self, number: int, line: str) -> dict:
        try:
            row = json.loads(line)
            return {"step": row["step"], "tuned_fraction": row["tuned_fraction"]}
        except (ValueError, TypeError, KeyError) as error:
            raise errors.RunError(
                f"Line {number} of {self.path} is {line.strip()[:80]!r}; a row has "
                "step and tuned_fraction. Delete the file: only the gate figure then "
                "starts over."
            ) from error

    def append(self, step: int, tuned_fraction: dict[str, float]) -> None:
        """Appends the row of `step`; it replaces rows of this step or later ones."""
        self._rows = [row for row in self._rows if row["step"] < step]
        self._rows.append({"step": step, "tuned_fraction": tuned_fraction})
        lines = "".join(json.dumps(row) + "\n" for row in self._rows)
        atomic.write_text(self.path, lines)

    def to_table(self) -> tuple[list[str], np.ndarray, list[int]]:
        """Returns L layer names, float64 [L, T] tuned fractions, and the T steps.

        The layers are those of the last row; one that an earlier row lacks is NaN
        there.
        """
        layers = list(self._rows[-1]["tuned_fraction"])
        fractions = [
            [row["tuned_fraction"].get(layer, np.nan) for row in self._rows]
            for layer in layers
        ]
        return layers, np.array(fractions), [row["step"] for row in self._rows]
