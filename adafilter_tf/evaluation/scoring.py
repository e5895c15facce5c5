"""Exact evaluation: every example scored once, whatever the batch and the replicas."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy import special

from adafilter_tf import distribution
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.models import gate_io


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """The outputs of a model for a list of images.

    Attributes:
        logits: [n, K] float32.
        gates: Layer name to [n, N] float16: 1 = tuned filter, 0 = frozen filter, soft
            gates between them; empty without gates.
    """

    logits: np.ndarray
    gates: dict[str, np.ndarray]


def create_scorer(
    model: keras.Model, spec: ImageSpec, *, batch_size: int
) -> Callable[[Sequence[str]], Outputs]:
    """Returns a function from image paths to the model's outputs, in their order.

    Args:
        model: Pixels [B, S, S, C] to logits [B, K], gated or not.
        spec: See `create_predictor`.
        batch_size: See `create_predictor`.
    """
    gates = {
        name: keras.ops.cast(gate, "float16")
        for name, gate in gate_io.list_gates(model).items()
    }
    outputs = {"logits": model.output, "gates": gates}
    predict = create_predictor(model, outputs, spec, batch_size=batch_size)
    return lambda paths: Outputs(**predict(paths))


def create_predictor(
    model: keras.Model,
    outputs,
    spec: ImageSpec,
    *,
    batch_size: int,
) -> Callable[[Sequence[str]], Any]:
    """Returns a function from image paths to any outputs in a model, in their order.

    The function is traced once, reads the model's current weights and computes on the
    devices of the strategy that holds the model. Of several workers all must call it,
    and all have every result.

    Args:
        model: Of pixels [B, S, S, C].
        outputs: Tensors of the model, in any nested structure.
        spec: How an image becomes the model's pixels.
        batch_size: Images per step over all replicas.
    """
    strategy = model.distribute_strategy
    with strategy.scope():
        seen = keras.Model(model.input, outputs)

    def predict(paths: Sequence[str]):
        make_dataset = functools.partial(
            pipeline.evaluation_dataset,
            paths,
            spec,
            batch_size=batch_size,
        )
        batches = distribution.distribute(strategy, batch_size, make_dataset)
        # Keras does not know the number of batches of several workers.
        steps = distribution.count_steps_per_pass(len(paths), batch_size)
        arrays = seen.predict(batches, steps=steps, verbose=0)
        return keras.tree.map_structure(lambda array: array[: len(paths)], arrays)

    return predict


def count_confusions(
    labels: npt.ArrayLike, predictions: npt.ArrayLike, num_classes: int
) -> np.ndarray:
    """Returns the confusion matrix, int64 [K, K], by true and predicted class.

    Args:
        labels: n class indices.
        predictions: n class indices.
        num_classes: K.

    Example:
        >>> count_confusions([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (np.asarray(labels), np.asarray(predictions)), 1)
    return counts


def measure_classes(logits: npt.ArrayLike, examples: Examples) -> dict[str, float]:
    """Returns the accuracy (0..1) of each class that has examples, by its name.

    Args:
        logits: [n, K].
        examples: The n examples.
    """
    labels = np.asarray(examples.labels)
    correct = np.asarray(logits).argmax(axis=1) == labels
    return {
        examples.class_names[label]: float(correct[labels == label].mean())
        for label in np.unique(labels)
    }


def compute_metrics(logits: npt.ArrayLike, labels: npt.ArrayLike) -> dict[str, float]:
    """Returns the metrics of a classification.

    Args:
        logits: [n, K].
        labels: n class indices.

    Returns:
        `examples` n, `accuracy`, `mean_per_class_accuracy` over the classes that have
        examples, and `loss`, the mean cross-entropy in nats.

    Example:
        >>> compute_metrics([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]], [0, 1, 1])["accuracy"]
        0.6666666666666666
    """
    classes = np.asarray(labels)
    logits = np.asarray(logits, np.float64)
    log_probabilities = special.log_softmax(logits, axis=1)
    losses = -log_probabilities[np.arange(len(classes)), classes]
    correct = logits.argmax(axis=1) == classes
    per_class = [correct[classes == label].mean() for label in np.unique(classes)]
    return {
        "examples": len(classes),
        "accuracy": float(correct.mean()),
        "mean_per_class_accuracy": float(np.mean(per_class)),
        "loss": float(losses.mean()),
    }
