"""The tables of a comparison in Markdown."""

import collections
from collections.abc import Mapping, Sequence

from adafilter_tf.experiments.plan import REFERENCE


def format_results(results: Mapping) -> str:
    """Returns the tables of errors, reductions and health, the best method first.

    Args:
        results: See `report.collect_results`.
    """
    averages = results["average_test_error"]
    rows = sorted(averages, key=averages.get)
    parts = [
        "# Comparison",
        _describe(results),
        _format_table(*_error_table(results, rows)),
    ]
    if results["frozen_features_accuracy"]:
        accuracies = results["frozen_features_accuracy"].items()
        listed = ", ".join(f"{task} {value:.1f}" for task, value in accuracies)
        parts.append(
            f"Accuracy of frozen features in %, the nearness of each task: {listed}."
        )
    parts += ["## Reduction by task", _REDUCTION]
    parts.append(_format_table(*_reduction_table(results, rows)))
    parts += ["## Health", _HEALTH, _format_table(*_health_table(results, rows))]
    if results["mean_test_error_by_gates"]:
        parts += ["## What the choice is worth", _CHOICE]
        parts.append(_format_table(*_choice_table(results, rows)))
    return "\n\n".join(parts) + "\n"


_REDUCTION = (
    f"Test error of {REFERENCE} minus that of the method, paired by seed, in "
    "percentage points, with the 95 % t-interval over seeds."
)
_HEALTH = (
    "Train: accuracy in % on the training images without augmentation. Validation: "
    "error in % of the best and the worst searched setting. Chosen: settings by the "
    "number of tasks that chose them."
)
_CHOICE = (
    "Test error in %, averaged over tasks and seeds, with each image's own gates and "
    "with others in their place: another test image's; the mean over the training "
    "images; what most of the training images choose; all tuned; all frozen. In "
    "brackets the reduction against own gates, in pairs, with the 95 % interval of "
    "what varies between seeds within tasks. Gates on the validation images: share "
    "that is tuned; share of filters whose gate depends on the image; share of "
    "choices that differ from initialization; information between a gate and the "
    "class."
)


def format_summary(results: Mapping) -> str:
    """Returns the differences once more, for 80 columns: what a reader asks first.

    Args:
        results: Of `report.collect_results`.
    """
    errors = results["average_test_error"]
    width = max(len("Method"), *map(len, errors)) + 2
    lines = [f"{'Method':{width}}{'Test error':>10}   Fewer errors than {REFERENCE}"]
    for row in sorted(errors, key=errors.__getitem__):
        of = results["average_error_reduction"][row]
        interval = _format_reduction(row, of)[0]
        lines.append(f"{row:{width}}{errors[row]:8.1f} %   {interval}")
    num_seeds = len(results["plan"]["seeds"])
    reading = "Differences of one seed, in points; they can be chance."
    if num_seeds > 1:
        reading = (
            f"Means of {num_seeds} seeds; differences in points with 95 % intervals "
            "over seeds.\nOne that holds 0 can be chance."
        )
    return "\n".join([*lines, reading])


def _describe(results: Mapping) -> str:
    seeds = ", ".join(map(str, results["plan"]["seeds"]))
    return (
        f"Test error in %, mean ± standard deviation over the seeds {seeds}. "
        f"Reduction: of the error against {REFERENCE}, paired by task and seed, in "
        "percentage points, averaged over the tasks, with the 95 % t-interval over "
        "seeds. Within tasks: the interval of what varies between seeds within each "
        "task. Over tasks: the interval of the same mean over tasks, wider where "
        "methods differ in which tasks they suit or the search was lucky, and the "
        "p-value of Wilcoxon's signed-rank test. Detectable: the smallest reduction "
        "that these tasks show by the interval over tasks in 80 of 100 comparisons. "
        "Wins-losses: tasks with a mean reduction above and below 0, in brackets those "
        "whose interval over seeds excludes 0."
    )


def _error_table(results: Mapping, rows: Sequence[str]) -> tuple[list, list]:
    header = [
        "Method",
        *results["tasks"],
        "Average",
        "Reduction [95 % interval]",
        "Within tasks",
        "Over tasks (p)",
        "Detectable",
        "Wins-losses",
        "Train s",
        "Parameters M, trained / all",
    ]
    return header, [
        [
            row,
            *(_format_error(of[row]) for of in results["tasks"].values()),
            f"{results['average_test_error'][row]:.2f}",
            *_format_reduction(row, results["average_error_reduction"][row]),
            *_format_cost(results["cost"][row]),
        ]
        for row in rows
    ]


def _format_error(cell: Mapping) -> str:
    spread = cell["std_test_error"]
    mean = f"{cell['mean_test_error']:.1f}"
    return mean if spread is None else f"{mean} ± {spread:.1f}"


def _format_reduction(row: str, of: Mapping) -> list[str]:
    if row == REFERENCE:
        return ["reference", "", "", "", ""]
    wins = f"{of['wins']}-{of['losses']} ({of['clear_wins']}-{of['clear_losses']})"
    over_tasks = _format_bounds(of["ci95_over_tasks_low"], of["ci95_over_tasks_high"])
    p, detectable = of["wilcoxon_p_over_tasks"], of["detectable_over_tasks"]
    return [
        _format_interval(of["mean"], of["ci95_low"], of["ci95_high"]),
        _format_bounds(of["ci95_within_tasks_low"], of["ci95_within_tasks_high"]),
        over_tasks if p is None else f"{over_tasks} ({p:.3f})".lstrip(),
        "" if detectable is None else f"{detectable:.2f}",
        wins,
    ]


def _format_interval(mean: float, low: float | None, high: float | None) -> str:
    return f"{mean:+.2f} {_format_bounds(low, high)}".rstrip()


def _format_bounds(low: float | None, high: float | None) -> str:
    return "" if low is None else f"[{low:+.2f}, {high:+.2f}]"


def _format_cost(cost: Mapping) -> list[str]:
    millions = (cost[name] / 1e6 for name in ("trainable_parameters", "parameters"))
    return [
        f"{cost['mean_train_seconds']:.1f}",
        " / ".join(f"{value:.3g}" for value in millions),
    ]


def _reduction_table(results: Mapping, rows: Sequence[str]) -> tuple[list, list]:
    tasks = results["tasks"]
    return ["Method", *tasks], [
        [row, *(_format_interval(*_read_difference(of[row])) for of in tasks.values())]
        for row in rows
        if row != REFERENCE
    ]


def _read_difference(cell: Mapping) -> tuple[float, float | None, float | None]:
    names = ("paired_error_reduction_vs_fine_tuning", "ci95_low", "ci95_high")
    return tuple(cell[name] for name in names)


def _health_table(results: Mapping, rows: Sequence[str]) -> tuple[list, list]:
    tasks = results["tasks"]
    header = ["Method", "Train, mean (lowest)"]
    header += [*(f"Validation {task}" for task in tasks), "Chosen"]
    return header, [
        _health_row(row, [of[row] for of in tasks.values()]) for row in rows
    ]


def _health_row(row: str, cells: Sequence[Mapping]) -> list[str]:
    accuracies = [cell["mean_train_accuracy"] for cell in cells]
    return [
        row,
        f"{sum(accuracies) / len(cells):.1f} ({min(accuracies):.1f})",
        *(_format_spread(cell["search"]) for cell in cells),
        _format_chosen(cells),
    ]


def _format_spread(search: Sequence[Mapping]) -> str:
    values = [setting["mean_validation_error"] for setting in search]
    return f"{min(values):.1f} to {max(values):.1f}" if values else ""


def _format_chosen(cells: Sequence[Mapping]) -> str:
    counts = collections.Counter(
        " ".join(f"{name}={of['chosen_flags'][name]}" for name in of["searched_flags"])
        for of in cells
    )
    return ", ".join(f"{text}: {count}" for text, count in counts.most_common() if text)


def _choice_table(results: Mapping, rows: Sequence[str]) -> tuple[list, list]:
    by_gates = results["mean_test_error_by_gates"]
    chosen = [row for row in rows if row in by_gates]
    header = ["Method", *(name.replace("_", " ") for name in by_gates[chosen[0]])]
    header += ["Tuned %", "Image-dependent %", "Moved %", "Information, bits"]
    return header, [
        [
            row,
            *map(_format_replaced, by_gates[row].items()),
            *_format_gates([of[row] for of in results["tasks"].values()]),
        ]
        for row in chosen
    ]


def _format_replaced(item: tuple[str, Mapping]) -> str:
    name, of = item
    error = f"{of['mean_test_error']:.2f}"
    if name == "own":
        return error
    interval = _format_interval(
        of["error_reduction_vs_own"],
        of["ci95_within_tasks_low"],
        of["ci95_within_tasks_high"],
    )
    return f"{error} ({interval})"


def _format_gates(cells: Sequence[Mapping]) -> list[str]:
    formats = {
        "mean_tuned_percent": ".0f",
        "mean_image_dependent_percent": ".0f",
        "mean_moved_percent": ".0f",
        "mean_class_information_bits": ".3f",
    }
    return [
        f"{sum(cell[name] for cell in cells) / len(cells):{digits}}"
        for name, digits in formats.items()
    ]


def _format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
