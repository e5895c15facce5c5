"""The summary of a report in sentences."""

from collections.abc import Mapping

from scipy import stats

from adafilter_tf.evaluation.explanation import paired_difference

# One-sided, over all classes.
_LEVEL = 0.025
_MAX_NAMED = 3

REPLACEMENTS = {  # see `gate_interventions.replace_gates`
    "shuffled": "the gates of another image",
    "mean": "the task's average of each gate",
    "majority": "one network for all: what most images choose",
    "all_tuned": "all gates 1: every tuned {unit}",
    "all_frozen": "all gates 0: the pre-trained {unit}s",
}


def summarize(report: Mapping) -> list[str]:
    """Returns the sentences at the top of a report.

    Args:
        report: See `explain.describe`.
    """
    method, baselines = report["run"]["method"], report["run"]["baselines"]
    sentences = [
        _tell_accuracy(report),
        *(_tell_baseline(method, baseline) for baseline in baselines),
        *_tell_classes(report),
    ]
    gates = report["gates"]
    if gates is None:
        sentences.append(
            f"{method} has no gates: every image passes the same "
            "filters, so this page has no section about gates."
        )
        return sentences
    return [*sentences, *_tell_choice(gates, report["run"]["unit"])]


def format_percent(share: float | None, digits: int = 1) -> str:
    """Returns a share as "95.1 %"; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def format_points(difference: float, digits: int = 1) -> str:
    """Returns a difference of shares as "+0.4", in points."""
    text = f"{100 * difference:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text[1:]


def format_interval(difference: Mapping) -> str:
    """Returns the interval of `measure_difference` as "−1.1 to +2.0"."""
    return f"{format_points(difference['low'])} to {format_points(difference['high'])}"


def format_accuracy_interval(metrics: Mapping) -> str:
    """Returns the interval of an accuracy as "93.5 to 96.2 %".

    Args:
        metrics: With `accuracy` 0..1 and `examples`, the number of images.
    """
    right = round(metrics["accuracy"] * metrics["examples"])
    low, high = paired_difference.find_interval(right, metrics["examples"])
    return f"{100 * low:.1f} to {format_percent(high)}"


def judge_difference(difference: Mapping) -> str:
    """Returns "significant" or "not significant", by the interval as it is shown."""
    significant = _is_above(difference["low"]) or _is_above(-difference["high"])
    return "significant" if significant else "not significant"


def _tell_accuracy(report) -> str:
    run, metrics = report["run"], report["metrics"]
    right = round(metrics["accuracy"] * metrics["examples"])
    return (
        f"{format_percent(metrics['accuracy'])} of the images are classified correctly "
        f"({right:,} of {metrics['examples']:,} of {run['images_from']}; 95 % interval "
        f"{format_accuracy_interval(metrics)})."
    )


def _tell_baseline(method: str, baseline) -> str:
    name = baseline["method"]
    text = f"{name} on the same images: {format_percent(baseline['accuracy'])}"
    if "low" not in baseline:
        return f"{text}."
    points = format_points(baseline["difference"])
    return (
        f"{text}; {method} minus {name}: {points} points (95 % interval "
        f"{format_interval(baseline)}), {judge_difference(baseline)}."
    )


def _tell_choice(gates, unit: str) -> list[str]:
    if gates["image_dependent_fraction"] == 0:
        return [
            f"All images have the same gates ({format_percent(gates['tuned_fraction'])}"
            f" of the {unit}s tuned): nothing is chosen per image."
        ]
    shares = (
        f"{format_percent(gates['tuned_fraction'], 0)} of all gates are tuned, and "
        f"{format_percent(gates['image_dependent_fraction'], 0)} of the {unit}s "
        "depend on the image."
    )
    if gates["effect"] is None:
        return [shares]
    shuffled = gates["effect"]["shuffled"]
    effect = (
        "Own minus shuffled gates: "
        f"{format_points(shuffled['difference'])} points of accuracy "
        f"(95 % interval {format_interval(shuffled)})"
    )
    if _is_above(shuffled["low"]):
        effect += "; it matters which image's gates are used."
    elif _is_above(-shuffled["high"]):
        effect += "; the images are classified better with the gates of others."
    else:
        effect += "; the difference is not significant on these images."
    return [
        effect,
        _tell_fixed(gates["effect"], unit),
        shares,
    ]


def _tell_fixed(effect, unit: str) -> str:
    """Compares one network for all images with the images' own gates."""
    majority, tuned = effect["majority"], effect["all_tuned"]
    if _is_above(majority["low"]):
        verb = "is worse"
    elif _is_above(-majority["high"]):
        verb = "is better"
    else:
        verb = "is not measurably different"
    return (
        f"One network for all images, with what most of them choose, {verb} "
        f"({format_percent(majority['accuracy'])}); with every {unit} tuned it has "
        f"{format_percent(tuned['accuracy'])}."
    )


def _is_above(bound: float) -> bool:
    """Whether the end of an interval is above zero after rounding."""
    return float(f"{100 * bound:.1f}") > 0


def _tell_classes(report) -> list[str]:
    if not report["confusions"]:
        return ["No image is misclassified."]
    seen = [row for row in report["classes"] if row["recall"] is not None]
    return [f"{_tell_recalls(seen)} {_tell_confusion(report, seen)}"]


def _tell_recalls(seen) -> str:
    """Names the classes that are recognized less often beyond chance."""
    rows = sorted(seen, key=lambda row: row["recall"])
    below = [row for row in rows if _is_below(row, seen)]
    if below:
        text = "Recognized significantly less often than the other classes: "
        text += ", ".join(map(_tell_recall, below[:_MAX_NAMED]))
        rest = len(below) - _MAX_NAMED
        return text + (f" and {rest} more." if rest > 0 else ".")
    return (
        "No class is recognized significantly less often than the others; lowest: "
        f"{_tell_recall(rows[0])}."
    )


def _tell_recall(row) -> str:
    return f"{row['name']} ({_count_right(row)} of {row['images']})"


def _is_below(row, seen) -> bool:
    """Fisher's exact test of a class against the others, Bonferroni's level."""
    images = sum(other["images"] for other in seen) - row["images"]
    right = sum(map(_count_right, seen)) - _count_right(row)
    table = [
        [_count_right(row), row["images"] - _count_right(row)],
        [right, images - right],
    ]
    found = stats.fisher_exact(table, alternative="less")
    return bool(found.pvalue < _LEVEL / len(seen))


def _count_right(row) -> int:
    return round(row["recall"] * row["images"])


def _tell_confusion(report, seen) -> str:
    most = report["confusions"][0]
    if most["images"] == 1:
        return "No two classes are confused more than once."
    total = next(row["images"] for row in seen if row["name"] == most["label"])
    return (
        f"The most frequent confusion: {most['label']} classified as "
        f"{most['predicted']} ({most['images']} of {total})."
    )
