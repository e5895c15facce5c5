"""Measurements as a table for people and as data for programs."""

import dataclasses
from collections.abc import Mapping

from tools.benchmarks import interleaving


@dataclasses.dataclass
class Report:
    """Values and their spreads under paths such as ("train_step_ratio", "spottune").

    Attributes:
        values: Nested by path.
        spread: Of the ratios, [lower, upper] quartile, nested likewise.
    """

    values: dict = dataclasses.field(default_factory=dict)
    spread: dict = dataclasses.field(default_factory=dict)

    def add(self, path: tuple[str, ...], value) -> None:
        """Files a value, with its spread when it is a `Ratio`."""
        if isinstance(value, interleaving.Ratio):
            _put(self.spread, path, [value.lower, value.upper])
            value = value.median
        _put(self.values, path, value)

    def add_times(
        self,
        name: str,
        times: Mapping[str, interleaving.Times],
        reference: str,
        *keys: str,
    ) -> None:
        """Files the times of functions and their ratios to one of them.

        Args:
            name: Such as "train_step": what starts the names of the entries.
            times: Function name to times.
            reference: The function that the others are divided by.
            *keys: Further parts of the path before the function's name.
        """
        base = times[reference]
        for function, each in times.items():
            path = (*keys, function)
            self.add((f"{name}_seconds", *path), float(_median(each.wall)))
            for kind, a, b in (
                ("ratio", each.wall, base.wall),
                ("processor_ratio", each.processor, base.processor),
            ):
                self.add((f"{name}_{kind}", *path), interleaving.divide(a, b))

    def to_dict(self) -> dict:
        """Returns everything, for JSON."""
        return {**self.values, "spread": self.spread}

    def format(self) -> str:
        """Returns one line a value: its path, the value, its spread."""
        spreads = dict(_flatten(self.spread))
        lines = []
        for path, value in _flatten(self.values):
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            if path in spreads:
                lower, upper = spreads[path]
                text = f"{value:.3f}  [{lower:.3f}, {upper:.3f}]"
            lines.append(f"{'.'.join(path):<52} {text}")
        return "\n".join(lines)


def _median(values) -> float:
    return sorted(values)[len(values) // 2]


def _put(tree: dict, path: tuple[str, ...], value) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _flatten(tree: dict, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, (*path, key))
        else:
            yield (*path, key), value
