"""A report as one HTML page that needs nothing else: no script, no network."""

import functools
import os
import pathlib
from collections.abc import Mapping

import jinja2
import numpy as np

from adafilter_tf.data.examples import show_path
from adafilter_tf.evaluation.explanation import thumbnails, verdict

_MAX_CLASSES = 24
_MAX_CONFUSIONS = 12
_PALETTE_SIZE = 10
_PLOT = (640, 420)
_PLOT_MARGIN = 14
# The largest difference of a table has the full colour, if it is no smaller than this.
_LEAST_FULL_DIFFERENCE = 0.05


def render_page(report: Mapping, data_name: str) -> str:
    """Returns the HTML of a report.

    Args:
        report: See `explain.describe`; the image files are read for thumbnails.
        data_name: File name of the report as JSON, which the page names.
    """
    images = report["images"]
    environment = create_environment()
    gates = report["gates"]
    shown = _choose_classes(report)
    names = [row["name"] for row in report["classes"]]
    return environment.get_template("page.html.jinja").render(
        report=report,
        run=report["run"],
        gates=gates,
        sampled=_count_sampled(report),
        images=images,
        data_name=data_name,
        thumbnail=functools.cache(
            lambda image: thumbnails.create_thumbnail(images[image]["path"])
        ),
        shown=shown,
        num_hidden=len(names) - len(shown),
        names=names,
        class_rows=_sort_classes(report["classes"]),
        confusions=report["confusions"][:_MAX_CONFUSIONS],
        confusion_rows=_shade_confusion(report["confusion"], shown),
        layer_rows=_shade_layers(gates["layers"], shown) if gates else [],
        replacements=verdict.REPLACEMENTS,
        plot=_place_points(report, names) if gates and gates["projection"] else None,
        colour=functools.partial(_choose_colour, num_classes=len(names)),
    )


def create_environment() -> jinja2.Environment:
    """Returns what renders a page about image files.

    Its filter `path` shows a file with its folder alone, as in "cat/1.jpg": a page is
    sent to people whom the rest of the path does not concern.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("adafilter_tf.evaluation.explanation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        percent=verdict.format_percent,
        points=verdict.format_points,
        interval=verdict.format_interval,
        accuracy_interval=verdict.format_accuracy_interval,
        path=lambda path: show_path(os.path.join(*pathlib.Path(path).parts[-2:])),
        file_name=lambda path: show_path(os.path.basename(path)),
    )
    return environment


def _count_sampled(report: Mapping) -> int | None:
    """Returns for how many images gates were replaced, None for all."""
    if not report["gates"]:
        return None
    count = len(report["gates"]["images"])
    return count if count < len(report["images"]) else None


def _choose_classes(report: Mapping) -> list[int]:
    """Returns the classes that tables show: all, or those with the most mistakes."""
    confusion = np.asarray(report["confusion"])
    if len(confusion) <= _MAX_CLASSES:
        return list(range(len(confusion)))
    mistakes = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * confusion.diagonal()
    return sorted(np.argsort(-mistakes, kind="stable")[:_MAX_CLASSES].tolist())


def _sort_classes(classes) -> list[dict]:
    """Returns the classes that occur, the lowest F1 first."""
    seen = [row for row in classes if row["images"] or row["predicted"]]
    return sorted(seen, key=lambda row: 0.0 if row["f1"] is None else row["f1"])


def _shade_confusion(confusion, shown: list[int]) -> list[list[dict]]:
    """Returns the cells of the table: `count`, `right` and the opacity `shade`."""
    rows = []
    for label in shown:
        total = sum(confusion[label]) or 1
        rows.append(
            [
                {
                    "count": confusion[label][answer],
                    "right": label == answer,
                    "shade": round((confusion[label][answer] / total) ** 0.5, 3),
                }
                for answer in shown
            ]
        )
    return rows


def _shade_layers(layers, shown: list[int]) -> list[dict]:
    """Returns a row a layer: the cells tell how far each class is from the mean."""
    rows = []
    for layer in layers:
        shares = [layer["tuned_fraction_per_class"][label] for label in shown]
        cells = [
            {
                "share": share,
                "difference": 0.0 if share is None else share - layer["tuned_fraction"],
            }
            for share in shares
        ]
        rows.append({"layer": layer, "cells": cells})
    every = [cell for row in rows for cell in row["cells"]]
    largest = max(abs(cell["difference"]) for cell in every)
    for cell in every:
        shade = abs(cell["difference"]) / max(largest, _LEAST_FULL_DIFFERENCE)
        cell["shade"] = round(shade, 3)
    return rows


def _place_points(report: Mapping, names: list[str]) -> dict:
    """Returns where the circles of the projection are, in a box of `size`."""
    points = np.asarray(report["gates"]["projection"]["points"])
    room = np.asarray(_PLOT) - 2 * _PLOT_MARGIN
    low, high = points.min(axis=0), points.max(axis=0)
    # One scale for both axes, so that distances are what they are.
    scale = (room / np.maximum(high - low, 1e-9)).min()
    offsets = np.asarray(_PLOT) / 2 - scale * (low + high) / 2
    circles = []
    places = (points * scale + offsets).round(1).tolist()
    for index, (x, y) in zip(report["gates"]["images"], places, strict=True):
        image = report["images"][index]
        circles.append(
            {
                "x": x,
                "y": y,
                "label": names.index(image["label"]),
                "right": image["label"] == image["predicted"],
                "image": image,
            }
        )
    return {"width": _PLOT[0], "height": _PLOT[1], "circles": circles}


def _choose_colour(label: int, num_classes: int) -> str:
    """Returns a class' colour: of a palette, or of a wheel for many classes."""
    if num_classes <= _PALETTE_SIZE:
        return f"var(--class{label})"
    return f"hsl({360 * label / num_classes:.0f} 62% 52%)"
