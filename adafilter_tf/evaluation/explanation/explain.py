"""Measures a trained model on a set of images and writes a report."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from absl import logging

from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import gate_interventions, gate_statistics, scoring
from adafilter_tf.evaluation.explanation import (
    classification,
    gate_patterns,
    page,
    paired_difference,
    verdict,
)
from adafilter_tf.files import atomic

_NUM_EXTREMES = 9
_NUM_QUERIES = 8
_NUM_NEAREST = 6


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """Facts about the run that a report explains.

    Attributes:
        method: The run's method.
        unit: What a gate chooses: "filter" or "block".
        images_from: The images in words, such as "the run's validation images".
        settings: Name to value, for the end of the page.
        note: A sentence about these images; may be empty.
        baselines: Further methods on the same images: `method`, `accuracy` and, where
            each image's answer is known, the difference to them, see
            `paired_difference.measure_difference`.
    """

    method: str
    unit: str
    images_from: str
    settings: dict[str, str]
    note: str = ""
    baselines: Sequence[dict] = ()


def draw_sample(examples: Examples, limit: int, seed: int) -> Examples:
    """Returns at most `limit` of the images, sampled at random, in their order."""
    if len(examples) <= limit:
        return examples
    return examples.take(_choose_positions(len(examples), limit, seed))


def describe(
    model: keras.Model,
    examples: Examples,
    facts: RunFacts,
    spec: ImageSpec,
    *,
    batch_size: int,
    projection: str = "pca",
) -> dict:
    """Returns the report on a model, ready for JSON.

    Args:
        model: Pixels to logits, with gates or without.
        examples: Images with their labels, at least one.
        facts: About the run.
        spec: How an image becomes the model's pixels.
        batch_size: Images per step.
        projection: One of `gate_patterns.PROJECTIONS`.

    Returns:
        The entries of `classification.describe_classification`, `run` for the facts,
        `gates`, their statistics, None for a model without, and `summary`, the
        sentences of `verdict.summarize`. Each image has its `path`, too.
    """
    logging.info("Scoring %d images.", len(examples))
    outputs = scoring.create_scorer(model, spec, batch_size=batch_size)(examples.paths)

    def predict_classes(paths, replaced):
        interventions = gate_interventions.GateInterventions(
            model, spec, batch_size=batch_size
        )
        return interventions.predict_classes(paths, replaced)

    return describe_outputs(
        outputs, examples, facts, predict_classes, projection=projection
    )


def describe_outputs(
    outputs: scoring.Outputs,
    examples: Examples,
    facts: RunFacts,
    predict_classes: Callable[..., dict[str, np.ndarray]] | None,
    *,
    projection: str = "pca",
    max_gate_images: int | None = None,
) -> dict:
    """Returns the report on images that were scored; see `describe`.

    Args:
        outputs: Of the model for the images.
        examples: The images.
        facts: About the run.
        predict_classes: From paths and the gates that replace theirs to the predicted
            classes, see `gate_interventions.GateInterventions`; None leaves out what
            needs further passes over the images: `effect` of the gates is None.
        projection: One of `gate_patterns.PROJECTIONS`.
        max_gate_images: Gates are replaced, and patterns compared, for a random sample
            of at most this many images; None for all.
    """
    report = {
        "summary": [],
        "run": dataclasses.asdict(facts),
        **classification.describe_classification(
            outputs.logits, examples.labels, examples.class_names
        ),
        "gates": None,
    }
    for image, path in zip(report["images"], examples.paths, strict=True):
        image["path"] = path
    if outputs.gates:
        sample = _choose_positions(len(examples), max_gate_images or len(examples))
        report["gates"] = {
            **_describe_gates(examples, outputs),
            "images": sample.tolist(),
            **_measure_effect(examples, outputs, sample, predict_classes),
            **_compare_patterns(examples, outputs, sample, projection),
        }
        tuned = gate_patterns.measure_tuned_shares(outputs.gates)
        for image, share in zip(report["images"], tuned, strict=True):
            image["tuned_fraction"] = float(share)
    report["summary"] = verdict.summarize(report)
    return report


def write_report(report: dict, path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes a report as one HTML page and as JSON beside it; returns both paths.

    Args:
        report: See `describe`.
        path: Without its suffix.
    """
    logging.info("Drawing the page.")
    html, data = path.with_suffix(".html"), path.with_suffix(".json")
    text = page.render_page(report, data.name)
    atomic.write_json(data, report)
    atomic.write_text(html, text)
    return html, data


def _choose_positions(count: int, limit: int, seed: int = 0) -> np.ndarray:
    """Returns `limit` positions of `count`, sampled at random, in order."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _describe_gates(examples: Examples, outputs: scoring.Outputs) -> dict:
    """Returns the statistics of the gates of all images."""
    gates, labels = outputs.gates, np.asarray(examples.labels)
    statistics = gate_statistics.gate_statistics(gates)
    layers = gate_patterns.describe_layers(gates, labels, len(examples.class_names))
    tuned = gate_patterns.measure_tuned_shares(gates)
    order = np.argsort(-tuned, kind="stable")
    count = min(_NUM_EXTREMES, math.ceil(len(order) / 2))
    return {
        "tuned_fraction": statistics.tuned_fraction,
        "image_dependent_fraction": float(
            np.average(
                [layer["image_dependent"] for layer in layers],
                weights=[layer["filters"] for layer in layers],
            )
        ),
        "class_information": gate_statistics.class_mutual_information(gates, labels),
        "layers": layers,
        "most_tuned": order[:count].tolist(),
        "least_tuned": order[::-1][:count].tolist(),
    }


def _measure_effect(examples, outputs, sample: np.ndarray, predict_classes) -> dict:
    """Returns the accuracy under other gates, and that of own gates minus it.

    Returns:
        `own_accuracy` on the sample and `effect` by the name of the other gates; both
        are None if they are not to be measured.
    """
    if predict_classes is None:
        return {"own_accuracy": None, "effect": None}
    gates = {name: gate[sample] for name, gate in outputs.gates.items()}
    replaced = gate_interventions.replace_gates(gates, gates)
    logging.info("Measuring the accuracy under %d gate interventions.", len(replaced))
    taken = examples.take(sample)
    answers = predict_classes(taken.paths, replaced)
    labels = np.asarray(taken.labels)
    own = outputs.logits[sample].argmax(axis=1) == labels
    return {
        "own_accuracy": float(own.mean()),
        "effect": {
            name: {
                "accuracy": float((answer == labels).mean()),
                **paired_difference.measure_difference(own, answer == labels),
            }
            for name, answer in answers.items()
        },
    }


def _compare_patterns(
    examples, outputs, sample: np.ndarray, projection: str
) -> dict[str, Any]:
    """Returns how alike the gates of the sample's images are.

    Where all images choose alike, `distinct_patterns` is 1, and `neighbours`,
    `agreement` and `projection` are None.
    """
    gates = {name: gate[sample] for name, gate in outputs.gates.items()}
    labels = np.asarray(examples.labels)[sample]
    patterns = gate_patterns.collect_patterns(gates)
    found: dict[str, Any] = {
        "distinct_patterns": len(np.unique(patterns, axis=0)) if patterns.size else 1,
        "deciding_filters": int(patterns.shape[1]),
        "neighbours": None,
        "agreement": None,
        "projection": None,
    }
    if patterns.shape[1] and len(patterns) > 2:
        distances = gate_patterns.measure_distances(patterns)
        rows = gate_patterns.find_neighbours(
            distances, labels, num_queries=_NUM_QUERIES, num_nearest=_NUM_NEAREST
        )
        found["neighbours"] = [_place_in_all(row, sample) for row in rows]
        found["agreement"] = gate_patterns.measure_agreement(distances, labels)
        found["projection"] = gate_patterns.project_patterns(patterns, projection)
    return found


def _place_in_all(row: Mapping, sample: np.ndarray) -> dict:
    """Returns neighbours by their positions among all images."""
    return {
        "image": int(sample[row["image"]]),
        "nearest": [
            {**other, "image": int(sample[other["image"]])} for other in row["nearest"]
        ],
    }
