"""The summary of a report in sentences."""

from collections.abc import Mapping

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
    sentences = [_tell_accuracy(report), *_tell_weaknesses(report)]
    gates = report["gates"]
    if gates is None:
        sentences.append(
            f"{report['run']['method']} has no gates: every image passes the same "
            "filters, so this page has no section about gates."
        )
        return sentences
    return [sentences[0], *_tell_choice(gates, report["run"]["unit"]), *sentences[1:]]


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


def _tell_accuracy(report) -> str:
    run, metrics = report["run"], report["metrics"]
    right = round(metrics["accuracy"] * metrics["examples"])
    text = (
        f"{format_percent(metrics['accuracy'])} of the images are classified correctly "
        f"({right:,} of {metrics['examples']:,} of {run['images_from']})."
    )
    for baseline in run["baselines"]:
        text += (
            f" {baseline['method']} on the same images: "
            f"{format_percent(baseline['accuracy'])}."
        )
    return text


def _tell_choice(gates, unit: str) -> list[str]:
    if gates["image_dependent_fraction"] == 0:
        return [
            f"All images have the same gates ({format_percent(gates['tuned_fraction'])}"
            f" of the {unit}s tuned): nothing is chosen per image."
        ]
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
        f"{format_percent(gates['tuned_fraction'], 0)} of all gates are tuned, and "
        f"{format_percent(gates['image_dependent_fraction'], 0)} of the {unit}s "
        "depend on the image.",
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


def _tell_weaknesses(report) -> list[str]:
    seen = [row for row in report["classes"] if row["recall"] is not None]
    worst = min(seen, key=lambda row: row["recall"])
    if not report["confusions"]:
        return ["No image is misclassified."]
    most = report["confusions"][0]
    total = next(r["images"] for r in seen if r["name"] == most["label"])
    return [
        f"The hardest class is {worst['name']}: {format_percent(worst['recall'], 0)} "
        f"of its {worst['images']} images are found. The most frequent mistake: "
        f"{most['label']} taken for {most['predicted']} ({most['images']} of {total})."
    ]
