"""Exact evaluation: every example scored once, whatever the batch and the replicas."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np

from adafilter_tf.data import pipeline
from adafilter_tf.models import choices


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """What a model gave for a list of images.

    Attributes:
        logits: [n, K] float32.
        gates: Layer name to [n, N] float16: 1 = tuned filter, 0 = frozen filter, soft
            gates between them; empty without gates.
    """

    logits: np.ndarray
    gates: dict[str, np.ndarray]


def create_scorer(
    model: keras.Model,
    *,
    image_size: int,
    channels: int,
    crop_fraction: float,
    batch_size: int,
) -> Callable[[Sequence[str]], Outputs]:
    """Returns a function from image paths to the model's outputs, in their order.

    The function is traced once, reads the model's current weights and computes on the
    devices of the strategy that holds the model.

    Args:
        model: Pixels [B, S, S, C] to logits [B, K], gated or not.
        image_size: S, in pixels.
        channels: C.
        crop_fraction: See `preprocessing.preprocess_for_evaluation`.
        batch_size: Images per step over all replicas.
    """
    gates = {
        name: keras.ops.cast(gate, "float16")
        for name, gate in choices.list_gates(model).items()
    }
    with model.distribute_strategy.scope():
        scored = keras.Model(model.input, {"logits": model.output, "gates": gates})

    def score(paths: Sequence[str]) -> Outputs:
        dataset = pipeline.evaluation_dataset(
            paths,
            image_size=image_size,
            channels=channels,
            crop_fraction=crop_fraction,
            batch_size=batch_size,
        )
        outputs = scored.predict(dataset, verbose=0)
        outputs = keras.tree.map_structure(lambda array: array[: len(paths)], outputs)
        return Outputs(outputs["logits"], outputs["gates"])

    return score


def measure(logits: np.ndarray, labels: Sequence[int]) -> dict[str, float]:
    """Returns the metrics of a classification.

    Args:
        logits: [n, K].
        labels: n class indices.

    Returns:
        `examples` n, `accuracy`, `mean_per_class_accuracy` over the classes that have
        examples, and `loss`, the mean cross-entropy in nats.
    """
    labels = np.asarray(labels)
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_normalizer = np.log(np.exp(shifted).sum(axis=1))
    losses = log_normalizer - shifted[np.arange(len(labels)), labels]
    correct = logits.argmax(axis=1) == labels
    per_class = [correct[labels == label].mean() for label in np.unique(labels)]
    return {
        "examples": len(labels),
        "accuracy": float(correct.mean()),
        "mean_per_class_accuracy": float(np.mean(per_class)),
        "loss": float(losses.mean()),
    }
