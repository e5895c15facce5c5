"""The folder of a comparison: its plan and the trials that are finished."""

import contextlib
import fcntl
import json
import math
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np

from adafilter_tf import errors
from adafilter_tf.experiments.plan import Plan, Trial
from adafilter_tf.files import atomic


class Store:
    """Reads and writes finished trials.

    Args:
        folder: The comparison's folder.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def path(self, trial: Trial) -> pathlib.Path:
        """Returns the file of a trial."""
        # Comparisons that were begun earlier have this folder.
        name = f"{trial.setting}_seed{trial.seed}.json"
        return self.folder / "cells" / trial.phase / trial.task / trial.row / name

    def has(self, trial: Trial) -> bool:
        """Returns whether a trial is finished."""
        return self.path(trial).exists()

    def load(self, trial: Trial) -> dict:
        """Returns the metrics of a finished trial.

        Raises:
            RunError: When the trial is not finished or its file cannot be read.
        """
        try:
            return json.loads(self.path(trial).read_text(encoding="utf-8"))["metrics"]
        except FileNotFoundError:
            raise errors.RunError(
                f"The trial {trial} is not finished; repeat the command to resume."
            ) from None
        except (ValueError, KeyError):
            raise errors.RunError(
                f"{self.path(trial)} is damaged; remove it and repeat the command."
            ) from None

    def save(self, trial: Trial, metrics: Mapping) -> None:
        """Writes a finished trial atomically; non-finite numbers as null."""
        path = self.path(trial)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"flags": list(trial.flags), "metrics": _to_json(metrics)}
        atomic.write_json(path, content)


@contextlib.contextmanager
def open_store(folder: pathlib.Path, plan: Plan) -> Iterator[Store]:
    """Claims a folder for this comparison, or recognizes it as this comparison's.

    A plan without finished trials may be changed; any plan may get further tasks,
    rows and seeds.

    Args:
        folder: May exist.
        plan: The comparison.

    Yields:
        The store; the folder is locked while it is open.

    Raises:
        UsageError: The folder is a file or holds other files.
        RunError: The folder belongs to another comparison, or another process works in
            it. Nothing in it has changed then.
    """
    path = folder / "plan.json"
    _check_folder(folder, path)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise errors.RunError(
                f"Another process is working in --output_dir={folder}; wait for it or "
                "choose another folder."
            ) from None
        if any(folder.glob("cells/*/*/*/*.json")):
            _check_same(path, plan)
        atomic.write_json(path, plan.to_json())
        yield Store(folder)


def _check_folder(folder: pathlib.Path, plan_path: pathlib.Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise errors.UsageError(
            f"Received --output_dir={folder}, which is a file; choose a folder."
        )
    if folder.exists() and not plan_path.exists():
        foreign = sorted(item.name for item in folder.iterdir() if item.name != ".lock")
        if foreign:
            raise errors.UsageError(
                f"Received --output_dir={folder}, which holds other files "
                f"({foreign[0]}) and no comparison; choose a new or empty folder."
            )


def _check_same(path: pathlib.Path, plan: Plan) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        differences = _list_differences(before, plan.to_json())
    except (ValueError, KeyError, AttributeError, TypeError):
        raise errors.RunError(
            f"{path} is damaged; choose another --output_dir."
        ) from None
    if differences:
        raise errors.RunError(
            f"--output_dir={path.parent} belongs to another comparison: "
            f"{'; '.join(differences)}. Choose another --output_dir, or take the "
            "change back. Nothing was overwritten."
        )


def _list_differences(before: Mapping, now: Mapping) -> list[str]:
    """Returns what of the plan before is not in the new one, with both values."""
    found = []
    for kind in ("task", "row"):
        new_items = now[f"{kind}s"]
        for name, old_item in before[f"{kind}s"].items():
            flag = f"--{kind}={name}"
            if name not in new_items:
                found.append(f"{flag} is missing now")
            else:
                found += _list_changes(flag, old_item, new_items[name])
    removed = [str(seed) for seed in before["seeds"] if seed not in now["seeds"]]
    if removed:
        found.append(f"--seeds has no {','.join(removed)} now")
    if before["search_seeds"] != now["search_seeds"]:
        old, new = (",".join(map(str, plan["search_seeds"])) for plan in (before, now))
        found.append(f"--search_seeds was {old}, now {new}")
    removed = [text for text in before["common"] if text not in now["common"]]
    added = [text for text in now["common"] if text not in before["common"]]
    if removed or added:
        old, new = (" ".join(texts) or "none of these" for texts in (removed, added))
        found.append(f"all trials had {old}, now {new}")
    return found


def _list_changes(flag: str, old: Mapping, new: Mapping) -> list[str]:
    def describe(flags, name):
        return f"{name}={flags[name]}" if name in flags else f"no {name}"

    changes = [
        f"{flag} had {describe(old, name)}, now {describe(new, name)}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    # The order of a row's flags numbers its settings.
    reordered = not changes and list(old) != list(new)
    return [f"{flag} has its flags in another order"] if reordered else changes


def _to_json(value):
    if isinstance(value, Mapping):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
