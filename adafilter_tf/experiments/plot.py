"""The picture of a comparison: how far each method lowers the error."""

import pathlib
from collections.abc import Mapping

import numpy as np

from adafilter_tf.experiments.plan import REFERENCE
from adafilter_tf.files import atomic

_INK, _GRID, _FAINT = "#222222", "#d8d8d8", "#777777"


def write_plot(path: pathlib.Path, results: Mapping) -> None:
    """Draws the average error reduction of each method, the best at the top.

    A dot with its 95 % interval for the average, small dots for the tasks.

    Args:
        path: PNG to write, atomically.
        results: See `report.collect_results`.
    """
    from matplotlib.backends import backend_agg  # slow to import
    from matplotlib.figure import Figure

    averages = results["average_error_reduction"]
    rows = sorted(
        (row for row in averages if row != REFERENCE),
        key=lambda row: averages[row]["mean"],
    )
    # Without pyplot: no global state, and no display needed.
    figure = Figure(figsize=(9.0, 1.8 + 0.42 * len(rows)), layout="constrained")
    backend_agg.FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0.0, color=_INK, linewidth=1.0, zorder=1)
    _draw_tasks(axes, results["tasks"], rows)
    _draw_averages(axes, averages, rows)
    _label(axes, results, rows)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _draw_tasks(axes, tasks: Mapping, rows: list[str]) -> None:
    from matplotlib import colormaps

    palette = colormaps["tab10" if len(tasks) <= 10 else "tab20"]
    colours = [palette(index) for index in range(palette.N)]
    # Below the average, and one below the other, so that equal values stay apart.
    shifts = np.linspace(-0.05, -0.4, len(tasks))
    for index, ((task, of), shift) in enumerate(
        zip(tasks.items(), shifts, strict=True)
    ):
        values = [of[row]["paired_error_reduction_vs_fine_tuning"] for row in rows]
        axes.scatter(
            values,
            np.arange(len(rows)) + shift,
            s=16,
            color=colours[index % len(colours)],
            label=task,
            zorder=2,
        )


def _draw_averages(axes, averages: Mapping, rows: list[str]) -> None:
    for index, row in enumerate(rows):
        position, of = index + 0.15, averages[row]
        if of["ci95_low"] is not None:
            axes.plot(
                [of["ci95_low"], of["ci95_high"]],
                [position, position],
                color=_INK,
                linewidth=2.0,
                solid_capstyle="butt",
                zorder=3,
            )
        axes.scatter(of["mean"], position, s=40, color=_INK, zorder=4)


def _label(axes, results: Mapping, rows: list[str]) -> None:
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="x", color=_GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    seeds = len(results["plan"]["seeds"])
    axes.set_xlabel(
        f"test error of {REFERENCE} minus that of the method, percentage points "
        "(right is better)",
        color=_FAINT,
    )
    axes.set_title(
        f"Average over {len(results['tasks'])} tasks, 95 % interval over {seeds} "
        "seeds; small dots: tasks",
        loc="left",
        fontsize=10,
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
