"""Gate interventions: the accuracy under other gates than each image's own."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.models import gate_io

Gates = Mapping[str, np.ndarray]


def replace_gates(
    gates: Gates, reference: Gates, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Returns interventions by name: gates that replace those of each image.

    - `shuffled`: those of another image, the same for all layers;
    - `mean`: the average over the reference, which blends where its images differ;
    - `majority`: what most of the reference choose, one network for all images;
    - `all_tuned` and `all_frozen`: 1 and 0.

    Where `shuffled` and `majority` are as accurate as each image's own gates, choosing
    per image gains nothing.

    Args:
        gates: Layer name to [n, N], 1 = tuned, 0 = frozen.
        reference: Gates of other images, [m, N] each: of training images where the n
            images are tested, which a network that is served has not seen.
        seed: Of the shuffling.
    """
    count = len(next(iter(gates.values())))
    order = np.random.default_rng(seed).permutation(count)
    means = {
        layer: np.repeat(gate.mean(axis=0, dtype=np.float32, keepdims=True), count, 0)
        for layer, gate in reference.items()
    }
    return {
        "shuffled": {layer: gate[order] for layer, gate in gates.items()},
        "mean": means,
        "majority": {
            layer: (mean > 0.5).astype(np.float32) for layer, mean in means.items()
        },
        "all_tuned": {layer: np.ones_like(gate) for layer, gate in gates.items()},
        "all_frozen": {layer: np.zeros_like(gate) for layer, gate in gates.items()},
    }


class GateInterventions:
    """Classifies images under other gates than their own.

    Args:
        model: Pixels to logits, with gates; its present weights count.
        spec: How an image becomes the model's pixels.
        batch_size: Images per step.
    """

    def __init__(self, model: keras.Model, spec: ImageSpec, *, batch_size: int):
        self._forced = gate_io.force_gates(model)
        self._spec = spec
        self._batch_size = batch_size

    def measure_effect(
        self, examples: Examples, gates: Gates, reference: Gates
    ) -> dict[str, float]:
        """Returns the accuracy 0..1 with the images' `own` gates and each replacement.

        Args:
            examples: Images with their labels.
            gates: What the model chose for them, layer name to [n, N].
            reference: See `replace_gates`.
        """
        answers = self.predict_classes(
            examples.paths, {"own": gates, **replace_gates(gates, reference)}
        )
        labels = np.asarray(examples.labels)
        return {name: float((of == labels).mean()) for name, of in answers.items()}

    def predict_classes(
        self, paths: Sequence[str], replaced: Mapping[str, Gates]
    ) -> dict[str, np.ndarray]:
        """Returns the predicted class of each image, [n], under each of several gates.

        Args:
            paths: Of the n images.
            replaced: Name to gates of these images, layer name to [n, N].
        """
        images = pipeline.evaluation_dataset(
            paths, self._spec, batch_size=self._batch_size
        ).cache()
        return {
            name: self._predict(images, gates, len(paths))
            for name, gates in replaced.items()
        }

    def _predict(self, images, gates: Gates, count: int) -> np.ndarray:
        missing = -count % self._batch_size
        filled = {
            name: np.pad(np.asarray(gate, np.float32), [(0, missing), (0, 0)])
            for name, gate in gates.items()
        }
        dataset = tf.data.Dataset.from_tensor_slices(filled).batch(self._batch_size)
        pairs = tf.data.Dataset.zip(images, dataset)
        inputs = pairs.map(lambda pixels, gate: ({"images": pixels, "gates": gate},))
        return self._forced.predict(inputs, verbose=0)[:count].argmax(axis=1)
