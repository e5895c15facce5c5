"""A comparison of finished runs: as text, as one HTML page and picture by picture."""

import dataclasses
import functools
import math
import pathlib
import string
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from adafilter_tf.evaluation.explanation import (
    comparison,
    page,
    paired_difference,
    thumbnails,
    verdict,
)
from adafilter_tf.files import atomic, text

LETTERS = string.ascii_uppercase
"""The runs are called A, B, C and so on."""

_WIDTH = 80
_LABEL = 22
_CELL = 14
_MOST_SHOWN = 60


@dataclasses.dataclass(frozen=True)
class Side:
    """One run of a comparison.

    Attributes:
        path: Where it is, as it was given.
        flags: Its settings by name.
        metrics: As in its `metrics.json`.
        answers: For its test images.
        defaults: Of the settings, by name.
    """

    path: str
    flags: Mapping[str, object]
    metrics: Mapping
    answers: comparison.RunAnswers
    defaults: Mapping[str, object] = dataclasses.field(default_factory=dict)


def describe_side(side: Side) -> dict[str, Any]:
    """Returns the metrics of a run, None for what it does not say.

    Returns:
        `run`, its name; accuracies and their interval 0..1, `loss` in nats, `seconds`
        of training, `parameters`, `trainable_parameters` and `tuned_fraction` 0..1.
    """
    metrics = side.metrics
    accuracy = metrics["test_accuracy"]
    low, high = paired_difference.find_interval(
        round(accuracy * metrics["test_examples"]), metrics["test_examples"]
    )
    return {
        "run": side.answers.name,
        "test_images": metrics["test_examples"],
        "test_accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "mean_per_class_accuracy": metrics.get("test_mean_per_class_accuracy"),
        "loss": metrics.get("test_loss"),
        "seconds": metrics.get("train_seconds"),
        "parameters": metrics.get("parameters"),
        "trainable_parameters": metrics.get("trainable_parameters"),
        "tuned_fraction": metrics.get("tuned_fraction"),
    }


def list_differing_flags(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Returns by flag its value in each run, of the flags that are not all equal.

    A run whose method does not have a flag has a dash; that alone is no difference if
    the others have the flag's default.
    """
    found = {}
    for name in dict.fromkeys(name for side in sides for name in side.flags):
        texts = {_format_flag(side.flags[name]) for side in sides if name in side.flags}
        if not all(name in side.flags for side in sides):
            texts |= {_format_flag(side.defaults.get(name)) for side in sides}
        if len(texts) > 1:
            found[name] = [
                _format_flag(side.flags[name]) if name in side.flags else "–"
                for side in sides
            ]
    return found


def format_text(sides: Sequence[Side], matched: Sequence[comparison.RunAnswers]) -> str:
    """Returns a comparison as text of 80 columns.

    Args:
        sides: The runs, at least two.
        matched: Their answers for the images that all of them have, see
            `comparison.match_images`.
    """
    lines = [
        f"{letter}  {side.path}" for letter, side in zip(LETTERS, sides, strict=False)
    ]
    lines += ["", *_format_flags(sides), ""]
    lines += _format_table(_make_metrics(sides), LETTERS[: len(sides)])
    lines += ["", *_wrap(tell_images(sides, matched))]
    if matched[0].paths:
        letters = LETTERS[1 : len(sides)]
        lines += ["", *_format_table(_make_differences(matched), letters)]
        for sentence in tell_differences(matched):
            lines += ["", *_wrap(sentence)]
    return "\n".join(lines)


def tell_images(sides: Sequence[Side], matched: Sequence[comparison.RunAnswers]) -> str:
    """Returns on which images runs are compared, in a sentence."""
    counts = [len(side.answers.paths) for side in sides]
    each = ", ".join(
        f"{letter} {count:,}" for letter, count in zip(LETTERS, counts, strict=False)
    )
    common = len(matched[0].paths)
    if not common:
        return (
            f"No paired differences: no test image is in all runs (test images: {each})"
            "; runs with the same --dataset and --seed or --test_seed share them."
        )
    if set(counts) == {common}:
        return f"All runs have the same {common:,} test images."
    return (
        f"The test sets differ ({each}); what follows is on the {common:,} images that "
        "are in all of them."
    )


def tell_differences(matched: Sequence[comparison.RunAnswers]) -> list[str]:
    """Returns a sentence for each run on how it differs from the first."""
    sentences = []
    for letter, other in zip(LETTERS[1:], matched[1:], strict=False):
        found = comparison.compare_answers(matched[0], other)
        points = verdict.format_points(found["difference"])
        sentences.append(
            f"{letter} minus A: {points} points of accuracy (95 % interval "
            f"{verdict.format_interval(found)}), {verdict.judge_difference(found)} on "
            "these images."
        )
    return sentences


def write_files(
    sides: Sequence[Side],
    matched: Sequence[comparison.RunAnswers],
    folder: pathlib.Path,
) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes `comparison.html` and `comparison.csv`; returns both paths.

    Args:
        sides: The runs.
        matched: See `format_text`; at least one image.
        folder: Is made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    html, data = folder / "comparison.html", folder / "comparison.csv"
    _write_csv(matched, data)
    atomic.write_text(html, _render(sides, matched, data.name))
    return html, data


def _write_csv(matched: Sequence[comparison.RunAnswers], path: pathlib.Path) -> None:
    kinds = ("class", "probability", "right")
    columns = [f"{kind}_{run.name}" for run in matched for kind in kinds]
    first = matched[0]
    rights = [run.find_right() for run in matched]
    rows = (
        [
            text.protect_cell(first.paths[index]),
            text.protect_cell(first.labels[index]),
            *(
                cell
                for run, right in zip(matched, rights, strict=True)
                for cell in (
                    text.protect_cell(run.predicted[index]),
                    _format_probability(run.probabilities[index]),
                    int(right[index]),
                )
            ),
        ]
        for index in range(len(first.paths))
    )
    columns = [text.protect_cell(name) for name in columns]
    atomic.write_csv(path, ["path", "label", *columns], rows)


def _render(sides, matched, data_name: str) -> str:
    letters = LETTERS[: len(sides)]
    flags = [
        [name, *map(_shorten_path, texts)]
        for name, texts in list_differing_flags(sides).items()
    ]
    tables = [
        {"title": "Metrics", "letters": letters, "rows": _make_metrics(sides)},
        {
            "title": "Paired differences to A",
            "letters": letters[1:],
            "rows": _make_differences(matched),
        },
    ]
    if flags:
        title = "Flags that differ"
        tables.append({"title": title, "letters": letters, "rows": flags})
    names = {run.name: letter for run, letter in zip(matched, letters, strict=True)}
    groups = [
        {
            "title": "Right: " + ", ".join(names[name] for name in right)
            if right
            else "None is right, with different answers",
            "images": images,
        }
        for right, images in comparison.group_disagreements(matched).items()
    ]
    template = page.create_environment().get_template("comparison.html.jinja")
    return template.render(
        runs=matched,
        letters=letters,
        summary=[tell_images(sides, matched), *tell_differences(matched)],
        tables=tables,
        groups=groups,
        most=_MOST_SHOWN,
        data_name=data_name,
        thumbnail=functools.cache(thumbnails.create_thumbnail),
    )


def _make_metrics(sides: Sequence[Side]) -> list[list[str]]:
    found = [describe_side(side) for side in sides]
    formats = {
        "test_accuracy": ("Test accuracy", verdict.format_percent),
        "mean_per_class_accuracy": ("Mean over classes", verdict.format_percent),
        "loss": ("Loss, nats", "{:.3f}".format),
        "seconds": ("Training, seconds", "{:,.0f}".format),
        "parameters": ("Parameters", "{:,}".format),
        "trainable_parameters": ("Trained parameters", "{:,}".format),
        "tuned_fraction": ("Tuned fraction", verdict.format_percent),
    }
    rows = []
    for name, (title, write) in formats.items():
        cells = [_format(each[name], write) for each in found]
        if set(cells) != {"–"}:
            rows.append([title, *cells])
        if name == "test_accuracy":
            intervals = [
                f"{100 * each['accuracy_low']:.1f} to {100 * each['accuracy_high']:.1f}"
                for each in found
            ]
            rows.append(["  95 % interval", *intervals])
    return rows


def _make_differences(matched: Sequence[comparison.RunAnswers]) -> list[list[str]]:
    first = matched[0]
    found = [comparison.compare_answers(first, other) for other in matched[1:]]
    return [
        [
            "Difference, points",
            *(verdict.format_points(each["difference"]) for each in found),
        ],
        ["  95 % interval", *map(verdict.format_interval, found)],
        ["Only this run right", *(f"{each['other_alone']:,}" for each in found)],
        ["Only A right", *(f"{each['first_alone']:,}" for each in found)],
    ]


def _format_flags(sides: Sequence[Side]) -> list[str]:
    differing = list_differing_flags(sides)
    if not differing:
        return ["No flag differs."]
    lines = ["Flags that differ"]
    for name, texts in differing.items():
        values = "; ".join(
            f"{letter} {each}" for letter, each in zip(LETTERS, texts, strict=False)
        )
        lines += _wrap(f"  {name}: {values}", "    ")
    return lines


def _format_table(rows: Sequence[Sequence[str]], letters: str) -> list[str]:
    """Returns a table in blocks of as many runs as fit into the width."""
    per_block = (_WIDTH - _LABEL) // _CELL
    lines = []
    for start in range(0, len(letters), per_block):
        if start:
            lines.append("")
        shown = slice(start, start + per_block)
        for label, *cells in (["", *letters], *rows):
            line = f"{label:{_LABEL}}" + "".join(f"{c:>{_CELL}}" for c in cells[shown])
            lines.append(line.rstrip())
    return lines


def _wrap(sentence: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        sentence, _WIDTH, subsequent_indent=indent, break_on_hyphens=False
    )


def _format_flag(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _shorten_path(value: str) -> str:
    """Returns a flag's value without the folders of a path."""
    return value.rstrip("/").rpartition("/")[2] or value


def _format(value, write) -> str:
    return "–" if value is None else write(value)


def _format_probability(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
