"""What a run's model says of one picture: classes, gates, nearest training pictures."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

import keras
import numpy as np

from adafilter_tf import errors, prediction
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.models import gate_io


@dataclasses.dataclass(frozen=True, eq=False)
class Observation:
    """The outputs of a model for one picture.

    Attributes:
        logits: [K] float32.
        features: [F] float32, the input of the head.
        gates: Layer name to [1, N]; 1 = tuned, 0 = frozen; empty without gates.
    """

    logits: np.ndarray
    features: np.ndarray
    gates: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A training picture that is near to another one.

    Attributes:
        path: Of the image file.
        class_name: Its label.
        similarity: Cosine of the two vectors of features, -1..1.
    """

    path: str
    class_name: str
    similarity: float


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is known of one picture.

    Attributes:
        row: As `prediction.predict_paths` gives it; its `error` says why the rest is
            empty.
        neighbours: The nearest training pictures, the nearest first.
        tuned: Layer name to the share of its filters that are tuned for this picture,
            0..1, in network order; empty without gates.
        tuned_fraction: The same over all filters; None without gates.
    """

    row: prediction.Prediction
    neighbours: tuple[Neighbour, ...] = ()
    tuned: Mapping[str, float] = dataclasses.field(default_factory=dict)
    tuned_fraction: float | None = None


class Observer:
    """A model that is asked about one picture after the other.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K], with a layer
            "head".
        spec: How an image becomes pixels [S, S, C].
    """

    def __init__(self, model: keras.Model, spec: ImageSpec):
        outputs = {
            "logits": model.output,
            "features": keras.ops.cast(model.get_layer("head").input, "float32"),
            "gates": gate_io.list_gates(model),
        }
        self._model = keras.Model(model.input, outputs)
        self._read = prediction.create_reader(spec)

    def observe(self, path: str) -> Observation | str:
        """Returns the outputs for an image file, or why it cannot be read."""
        pixels = self._read(path)
        if isinstance(pixels, str):
            return pixels
        outputs = self._model.predict_on_batch(pixels[np.newaxis])
        return Observation(
            outputs["logits"][0], outputs["features"][0], outputs["gates"]
        )


class TrainingPictures:
    """Training pictures by their features.

    Args:
        examples: The pictures with their labels.
        features: [n, F], one row per picture.

    Attributes:
        examples: The same.
    """

    def __init__(self, examples: Examples, features: np.ndarray):
        self.examples = examples
        self._directions = _normalize(np.asarray(features, np.float64))

    def find_nearest(self, features: np.ndarray, count: int) -> tuple[Neighbour, ...]:
        """Returns the pictures with the highest cosine similarity, at most `count`.

        Args:
            features: [F].
            count: Of pictures.
        """
        if not len(self.examples):
            return ()
        cosines = self._directions @ _normalize(np.asarray(features, np.float64))
        names = self.examples.class_names
        return tuple(
            Neighbour(
                self.examples.paths[index],
                names[self.examples.labels[index]],
                float(cosines[index]),
            )
            for index in np.argsort(-cosines, kind="stable")[:count]
        )


def observe_all(
    observer: Observer, paths: Iterable[str]
) -> Iterator[np.ndarray | None]:
    """Yields the features [F] of each picture; None for one that cannot be read."""
    for path in paths:
        seen = observer.observe(path)
        yield None if isinstance(seen, str) else seen.features


def keep_readable(
    examples: Examples, features: Sequence[np.ndarray | None]
) -> TrainingPictures:
    """Returns the training pictures that could be read.

    Args:
        examples: All that were looked for.
        features: See `observe_all`, one for each.
    """
    kept = [index for index, of in enumerate(features) if of is not None]
    return TrainingPictures(
        examples.take(kept), np.array([features[index] for index in kept])
    )


def answer(
    observer: Observer,
    path: str,
    *,
    class_names: Sequence[str],
    training: TrainingPictures,
    top_k: int = 5,
    num_nearest: int = 6,
) -> Answer:
    """Returns what is known of an image file.

    Args:
        observer: Of the run's model.
        path: Of the file, whatever it holds.
        class_names: K names.
        training: Pictures to compare with; may be empty.
        top_k: How many classes the row has; fewer if the model has fewer.
        num_nearest: How many training pictures are named.
    """
    seen = observer.observe(path)
    if isinstance(seen, str):
        return Answer(prediction.Prediction(path, (), (), seen))
    try:
        row = prediction.rank_classes(
            path, seen.logits, class_names, min(top_k, len(class_names))
        )
    except errors.RunError as error:
        return Answer(prediction.Prediction(path, (), (), str(error)))
    nearest = training.find_nearest(seen.features, num_nearest)
    if not seen.gates:
        return Answer(row, nearest)
    statistics = gate_statistics.gate_statistics(seen.gates)
    return Answer(
        row,
        nearest,
        statistics.tuned_fraction_per_layer,
        statistics.tuned_fraction,
    )


def _normalize(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors [..., F] of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
