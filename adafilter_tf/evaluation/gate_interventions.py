"""Gate interventions: the accuracy under other gates than each image's own."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.models import gate_io

Gates = Mapping[str, np.ndarray]


def replace_gates(gates: Gates, seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Returns interventions by name: gates that replace those of each image.

    - `shuffled`: those of another image, the same for all layers;
    - `mean`: the average over the images, which blends where they differ;
    - `majority`: what most of the images choose, one network for all of them;
    - `all_tuned` and `all_frozen`: 1 and 0.

    Where `shuffled` and `majority` are as accurate as each image's own gates, choosing
    per image gains nothing.

    Args:
        gates: Layer name to [n, N], 1 = tuned, 0 = frozen.
        seed: Of the shuffling.
    """
    count = len(next(iter(gates.values())))
    order = np.random.default_rng(seed).permutation(count)

    def repeat_mean(gate):
        return np.repeat(gate.mean(axis=0, dtype=np.float32, keepdims=True), count, 0)

    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "shuffled": lambda gate: gate[order],
        "mean": repeat_mean,
        "majority": lambda gate: (repeat_mean(gate) > 0.5).astype(np.float32),
        "all_tuned": np.ones_like,
        "all_frozen": np.zeros_like,
    }
    return {
        name: {layer: change(gate) for layer, gate in gates.items()}
        for name, change in changes.items()
    }


def measure_effect(
    model: keras.Model,
    examples: Examples,
    gates: Gates,
    spec: ImageSpec,
    *,
    batch_size: int,
) -> dict[str, float]:
    """Returns the accuracy 0..1 with the images' `own` gates and each replacement.

    Args:
        model: Pixels to logits, with gates.
        examples: Images with their labels.
        gates: What the model chose for them, layer name to [n, N].
        spec: How an image becomes the model's pixels.
        batch_size: Images per step.
    """
    answers = predict_classes(
        model,
        examples.paths,
        {"own": gates, **replace_gates(gates)},
        spec,
        batch_size=batch_size,
    )
    labels = np.asarray(examples.labels)
    return {name: float((answer == labels).mean()) for name, answer in answers.items()}


def predict_classes(
    model: keras.Model,
    paths: Sequence[str],
    replaced: Mapping[str, Gates],
    spec: ImageSpec,
    *,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Returns the predicted class of each image, [n], under each of several gates.

    Args:
        model: Pixels to logits, with gates.
        paths: Of the n images.
        replaced: Name to gates of these images, layer name to [n, N].
        spec: How an image becomes the model's pixels.
        batch_size: Images per step.
    """
    forced = gate_io.force_gates(model)
    images = pipeline.evaluation_dataset(paths, spec, batch_size=batch_size).cache()
    return {
        name: _predict(forced, images, gates, len(paths), batch_size)
        for name, gates in replaced.items()
    }


def _predict(forced, images, gates, count, batch_size) -> np.ndarray:
    missing = -count % batch_size
    filled = {
        name: np.pad(np.asarray(gate, np.float32), [(0, missing), (0, 0)])
        for name, gate in gates.items()
    }
    dataset = tf.data.Dataset.from_tensor_slices(filled).batch(batch_size)
    pairs = tf.data.Dataset.zip(images, dataset)
    inputs = pairs.map(lambda pixels, gate: ({"images": pixels, "gates": gate},))
    return forced.predict(inputs, verbose=0)[:count].argmax(axis=1)
