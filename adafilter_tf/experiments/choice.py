"""Which setting of each row the search chose, on validation images alone."""

import collections
import math

import numpy as np

from adafilter_tf.experiments.plan import Plan
from adafilter_tf.experiments.store import Store


def choose_settings(plan: Plan, store: Store) -> dict[tuple[str, str], int]:
    """Returns the best setting by names of task and row.

    The highest mean validation accuracy over the search seeds; of equal ones the lower
    mean validation loss, then the first. Settings that diverged on a seed come last:
    where one class is frequent, a network that always names it may seem good.

    Raises:
        RunError: When a trial of the search is not finished.
    """
    scores = {
        key: {
            setting: (
                all(trial["validation_loss"] is not None for trial in trials),
                np.mean([trial["validation_accuracy"] for trial in trials]),
                -np.mean([_finite(trial["validation_loss"]) for trial in trials]),
                -setting,
            )
            for setting, trials in settings.items()
        }
        for key, settings in load_search(plan, store).items()
    }
    return {key: max(of, key=of.__getitem__) for key, of in scores.items()}


def load_search(
    plan: Plan, store: Store
) -> dict[tuple[str, str], dict[int, list[dict]]]:
    """Returns the metrics of the search, by names of task and row, then by setting.

    Empty where there is one setting and nothing to choose.
    """
    found: dict[tuple[str, str], dict[int, list[dict]]] = collections.defaultdict(dict)
    for trial in plan.search_trials():
        of_setting = found[trial.task, trial.row].setdefault(trial.setting, [])
        of_setting.append(store.load(trial))
    return dict(found)


def _finite(loss: float | None) -> float:
    return math.inf if loss is None else loss
