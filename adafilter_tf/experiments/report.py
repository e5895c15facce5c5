"""The report of a finished comparison: results.json, results.md and results.png."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from adafilter_tf.experiments import choice, plot, statistics, tables
from adafilter_tf.experiments.plan import REFERENCE, Plan, Row
from adafilter_tf.experiments.store import Store
from adafilter_tf.files import atomic

# Of the gates on the validation images, as the name in the results: the name in a
# trial's metrics and the factor. Methods without gates do not have them.
_GATE_METRICS = {
    "mean_tuned_percent": ("tuned_fraction", 100.0),
    "mean_image_dependent_percent": ("image_dependent_fraction", 100.0),
    "mean_moved_percent": ("moved_fraction", 100.0),
    "mean_class_information_bits": ("class_information", 1.0),
}

# In a trial's metrics: test accuracy with each image's own gates and with others.
_WITH_GATES = "test_accuracy_with_gates"


def write_report(folder: pathlib.Path, plan: Plan, store: Store) -> str:
    """Writes results.json, results.md and results.png, each atomically.

    Returns:
        The Markdown, then a summary for 80 columns and the names of the files.

    Raises:
        RunError: When a trial is not finished; names it.
    """
    results = collect_results(plan, store)
    markdown = tables.format_results(results)
    atomic.write_json(folder / "results.json", results)
    atomic.write_text(folder / "results.md", markdown)
    plot.write_plot(folder / "results.png", results)
    files = "\n".join(
        f"{name:12}{folder / file}"
        for name, file in (
            ("Tables", "results.md"), ("Plot", "results.png"), ("Data", "results.json")
        )
    )  # fmt: skip
    return f"{markdown}\n{tables.format_summary(results)}\n\n{files}"


def collect_results(plan: Plan, store: Store) -> dict:
    """Returns all numbers of a comparison; errors and differences in percent.

    Raises:
        RunError: When a trial is not finished; names it.
    """
    chosen = choice.choose_settings(plan, store)
    final_trials = plan.final_trials(chosen)
    metrics = {(c.task, c.row, c.seed): store.load(c) for c in final_trials}
    finals = {
        row.name: {
            task.name: [metrics[task.name, row.name, seed] for seed in plan.seeds]
            for task in plan.tasks
        }
        for row in plan.rows
    }
    reductions = {
        row: statistics.reduce_error(_errors(finals[REFERENCE]), _errors(by_task))
        for row, by_task in finals.items()
    }
    trials = [*plan.search_trials(), *final_trials]
    return {
        "unit": "percent",
        "tasks": _summarize_tasks(plan, store, chosen, finals, reductions),
        "average_error_reduction": {
            row: _summarize_reduction(of, len(plan.seeds))
            for row, of in reductions.items()
        },
        "average_test_error": {
            row: _mean(np.concatenate(list(_errors(by_task).values())))
            for row, by_task in finals.items()
        },
        "mean_test_error_by_gates": {
            row: _average_by_gates(by_task)
            for row, by_task in finals.items()
            if all(_WITH_GATES in c for of in by_task.values() for c in of)
        },
        "cost": {row: _summarize_cost(by_task) for row, by_task in finals.items()},
        "frozen_features_accuracy": _find_frozen_accuracy(plan, finals),
        "cells": [
            {**dataclasses.asdict(trial), "metrics": store.load(trial)}
            for trial in trials
        ],
        "plan": plan.to_json(),
    }


def _summarize_tasks(plan: Plan, store: Store, chosen, finals, reductions) -> dict:
    search = choice.load_search(plan, store)

    def summarize(task: str, row: Row) -> dict:
        return {
            **_summarize_final(finals[row.name][task]),
            **_summarize_difference(reductions[row.name].by_task[task]),
            "num_seeds": len(plan.seeds),
            **_summarize_search(
                row, chosen.get((task, row.name), 0), search.get((task, row.name), {})
            ),
        }

    return {
        task.name: {row.name: summarize(task.name, row) for row in plan.rows}
        for task in plan.tasks
    }


def _errors(by_task: Mapping[str, Sequence[Mapping]]) -> dict[str, list[float]]:
    return {
        task: [100.0 * (1.0 - trial["test_accuracy"]) for trial in trials]
        for task, trials in by_task.items()
    }


def _summarize_final(trials: Sequence[Mapping]) -> dict:
    test_errors = _errors({"": trials})[""]
    spread = float(np.std(test_errors, ddof=1)) if len(trials) > 1 else None
    gates = {
        name: scale * _mean([trial["validation_gates"][source] for trial in trials])
        for name, (source, scale) in _GATE_METRICS.items()
        if all(trial.get("validation_gates") for trial in trials)
    }
    return {
        "mean_test_error": _mean(test_errors),
        "std_test_error": spread,
        "mean_train_accuracy": 100.0 * _mean([c["train_accuracy"] for c in trials]),
        **gates,
    }


def _summarize_difference(interval: statistics.Interval) -> dict:
    return {
        "paired_error_reduction_vs_fine_tuning": interval.mean,
        "ci95_low": interval.low,
        "ci95_high": interval.high,
    }


def _summarize_search(
    row: Row, chosen: int, searched: Mapping[int, Sequence[Mapping]]
) -> dict:
    return {
        "chosen_flags": row.settings[chosen],
        "searched_flags": list(row.searched),
        "search": [
            {
                "flags": row.settings[setting],
                "mean_validation_error": 100.0
                * (1.0 - _mean([trial["validation_accuracy"] for trial in trials])),
            }
            for setting, trials in searched.items()
        ],
    }


def _summarize_reduction(reduction: statistics.Reduction, num_seeds: int) -> dict:
    return {
        "mean": reduction.average.mean,
        **_describe_intervals(reduction),
        "wilcoxon_p_over_tasks": reduction.wilcoxon,
        "detectable_over_tasks": reduction.detectable,
        "wins": reduction.wins,
        "losses": reduction.losses,
        "clear_wins": reduction.clear_wins,
        "clear_losses": reduction.clear_losses,
        "num_tasks": len(reduction.by_task),
        "num_seeds": num_seeds,
    }


def _summarize_cost(by_task: Mapping[str, Sequence[Mapping]]) -> dict:
    trials = [trial for of_task in by_task.values() for trial in of_task]
    return {
        "mean_train_seconds": _mean([trial["train_seconds"] for trial in trials]),
        "trainable_parameters": _mean(
            [trial["trainable_parameters"] for trial in trials]
        ),
        "parameters": _mean([trial["parameters"] for trial in trials]),
    }


def _average_by_gates(by_task: Mapping[str, Sequence[Mapping]]) -> dict[str, dict]:
    """Returns the test error with each image's own gates and with others in pairs."""
    names = next(iter(by_task.values()))[0][_WITH_GATES]
    errors = {
        name: {
            task: [100.0 * (1.0 - trial[_WITH_GATES][name]) for trial in trials]
            for task, trials in by_task.items()
        }
        for name in names
    }
    found = {}
    for name, by_gates in errors.items():
        reduction = statistics.reduce_error(errors["own"], by_gates)
        found[name] = {
            "mean_test_error": _mean(np.concatenate(list(by_gates.values()))),
            "error_reduction_vs_own": reduction.average.mean,
            **_describe_intervals(reduction),
        }
    return found


def _describe_intervals(reduction: statistics.Reduction) -> dict:
    return {
        "ci95_low": reduction.average.low,
        "ci95_high": reduction.average.high,
        "ci95_within_tasks_low": reduction.within_tasks.low,
        "ci95_within_tasks_high": reduction.within_tasks.high,
        "ci95_over_tasks_low": reduction.over_tasks.low,
        "ci95_over_tasks_high": reduction.over_tasks.high,
    }


def _find_frozen_accuracy(plan: Plan, finals: Mapping) -> dict[str, float]:
    """Returns the test accuracy of the row that trains the head alone, if any."""
    for row in plan.rows:
        if row.flags["method"] == REFERENCE and row.flags.get("tune_blocks") == "none":
            return {
                task: 100.0 - _mean(errors)
                for task, errors in _errors(finals[row.name]).items()
            }
    return {}


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values))
