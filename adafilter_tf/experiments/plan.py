"""What a comparison runs: tasks, rows (methods), settings to search, seeds."""

import dataclasses
import itertools
from collections.abc import Mapping

# The row from which all differences are taken: standard fine-tuning.
REFERENCE = "fine_tuning"


@dataclasses.dataclass(frozen=True)
class Task:
    """A data set with its backbone, split and budget, all as flags."""

    name: str
    flags: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Row:
    """A method with its hyper-parameters.

    Attributes:
        name: In tables and paths.
        flags: Values by flag; `a|b|c` is searched.
    """

    name: str
    flags: Mapping[str, str]

    @property
    def settings(self) -> tuple[dict[str, str], ...]:
        """All combinations of the searched values, the last flag fastest."""
        choices = [value.split("|") for value in self.flags.values()]
        return tuple(
            dict(zip(self.flags, values, strict=True))
            for values in itertools.product(*choices)
        )

    @property
    def searched(self) -> tuple[str, ...]:
        """The flags with several values."""
        return tuple(name for name, value in self.flags.items() if "|" in value)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        phase: "search" or "final"; only final trials measure test images.
        task: Name of the task.
        row: Name of the row.
        setting: Index in the row's settings.
        seed: The run's seed.
        flags: All that the run is given, each "--name=value".
    """

    phase: str
    task: str
    row: str
    setting: int
    seed: int
    flags: tuple[str, ...]

    def __str__(self):
        setting = f" setting {self.setting}" if self.phase == "search" else ""
        return f"{self.phase} {self.task} {self.row}{setting} seed {self.seed}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A whole comparison.

    Attributes:
        tasks: The columns of the table.
        rows: Its rows, all with the same number of settings.
        seeds: Seeds of the final trials.
        search_seeds: Seeds of the search; none of `seeds`.
        common: Flags of all trials, each "--name=value"; tasks and rows go before them.
    """

    tasks: tuple[Task, ...]
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    search_seeds: tuple[int, ...]
    common: tuple[str, ...]

    def search_trials(self) -> list[Trial]:
        """Returns the trials of the search; none where there is nothing to choose."""
        return [
            self._make_trial("search", task, row, setting, seed)
            for task, row in itertools.product(self.tasks, self.rows)
            if len(row.settings) > 1
            for setting in range(len(row.settings))
            for seed in self.search_seeds
        ]

    def final_trials(self, chosen: Mapping[tuple[str, str], int]) -> list[Trial]:
        """Returns the trials of the table.

        Args:
            chosen: Setting by names of task and row; 0 where none is given.
        """
        return [
            self._make_trial(
                "final", task, row, chosen.get((task.name, row.name), 0), seed
            )
            for task, row, seed in itertools.product(self.tasks, self.rows, self.seeds)
        ]

    def to_json(self) -> dict:
        """Returns the plan as dicts, lists, strings and integers."""
        return {
            "tasks": {task.name: dict(task.flags) for task in self.tasks},
            "rows": {row.name: dict(row.flags) for row in self.rows},
            "seeds": list(self.seeds),
            "search_seeds": list(self.search_seeds),
            "common": list(self.common),
        }

    def _make_trial(self, phase, task, row, setting, seed) -> Trial:
        own = {**task.flags, **row.settings[setting], "seed": str(seed)}
        flags = (
            *(text for text in self.common if not _is_replaced(text, own)),
            *(f"--{name}={value}" for name, value in own.items()),
        )
        return Trial(phase, task.name, row.name, setting, seed, flags)


def _is_replaced(text: str, own: Mapping[str, str]) -> bool:
    name, equals, _ = text.removeprefix("--").partition("=")
    # A boolean may be written --name or --noname.
    return name in own or (not equals and name.removeprefix("no") in own)
