"""Reports made without a model."""

import dataclasses

import numpy as np
import tensorflow as tf

from adafilter_tf.evaluation.explanation import (
    classification,
    explain,
    gate_patterns,
    paired_difference,
    verdict,
)


def make_report(folder, class_names, *, per_class=4, gated=True, size=20):
    """A report on random answers and gates for images of noise.

    Args:
        folder: Gets the images.
        class_names: K names.
        per_class: Images of each.
        gated: Whether there are gates.
        size: Of the images, in pixels.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(class_names)), per_class)
    logits = rng.normal(size=(len(labels), len(class_names)))
    logits[np.arange(len(labels)), labels] += 1.0
    facts = explain.RunFacts(
        "adafilter", "filter", "the validation images of noise", {"seed": "0"}
    )
    report = {
        "summary": [],
        "run": dataclasses.asdict(facts),
        **classification.describe_classification(logits, labels, class_names),
        "gates": None,
    }
    for index, image in enumerate(report["images"]):
        image["path"] = str(folder / f"{index}.png")
        pixels = rng.integers(0, 255, (size, size, 3), np.uint8)
        tf.io.write_file(image["path"], tf.io.encode_png(pixels))
        image["tuned_fraction"] = 0.5
    if gated:
        report["gates"] = _make_gates(rng, labels, len(class_names))
    report["summary"] = verdict.summarize(report)
    return report


def _make_gates(rng, labels, num_classes) -> dict:
    gates = {
        f"stage{index}_conv": (
            rng.random((len(labels), 16)) < 0.2 + 0.6 * rng.random(16)
        ).astype(np.float16)
        for index in range(5)
    }
    patterns = gate_patterns.collect_patterns(gates)
    distances = gate_patterns.measure_distances(patterns)
    right = rng.random((2, len(labels))) < 0.8
    effect = {"accuracy": 0.8, **paired_difference.measure_difference(*right)}
    return {
        "tuned_fraction": 0.5,
        "image_dependent_fraction": 1.0,
        "layers": gate_patterns.describe_layers(gates, labels, num_classes),
        "images": list(range(len(labels))),
        "own_accuracy": 0.9,
        "effect": {name: effect for name in verdict.REPLACEMENTS},
        "most_tuned": [0, 1],
        "least_tuned": [3, 2],
        "distinct_patterns": len(labels),
        "deciding_filters": patterns.shape[1],
        "neighbours": gate_patterns.find_neighbours(
            distances, labels, num_queries=8, num_nearest=6
        ),
        "agreement": gate_patterns.measure_agreement(distances, labels),
        "projection": gate_patterns.project_patterns(patterns, "pca"),
    }
