"""A linear classifier on the features of a network before its training.

The features are what the head reads. Before training every method computes those of the
pre-trained network, so the classifier is the floor of a fine-tuning, or its start.
"""

import dataclasses
import pathlib
import warnings
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from sklearn import exceptions, linear_model

from adafilter_tf import errors
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import scoring
from adafilter_tf.evaluation.explanation import paired_difference
from adafilter_tf.files import atomic, untrusted

# A linear classifier learns little more from further ones.
MAX_TRAINING_IMAGES = 20_000
# scikit-learn's C, for features of unit mean square over all channels together.
REGULARIZATIONS = (0.1, 1.0, 10.0, 100.0, 1000.0)
_WITHOUT_VALIDATION = 10.0
# Of the root mean variance: dividing by less would turn noise into large weights.
_LEAST_DEVIATION = 0.1
_MAX_ITERATIONS = 500
# Logit of a class without training images, where others are around 0.
_ABSENT = -10.0


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureProbe:
    """A multinomial logistic regression as the weights of a head.

    Attributes:
        kernel: [C, K] float32.
        bias: [K] float32.
        regularization: The chosen one of `REGULARIZATIONS`.
        validation_correct: bool [n], which validation images it classifies correctly.
        test_correct: The same of the test images; empty where they were not measured.
    """

    kernel: np.ndarray
    bias: np.ndarray
    regularization: float
    validation_correct: np.ndarray
    test_correct: np.ndarray

    def start_head(self, model: keras.Model) -> None:
        """Gives the head of a classifier the weights of the probe."""
        head = model.get_layer("head")
        head.kernel.assign(self.kernel)
        head.bias.assign(self.bias)

    def list_metrics(self) -> dict[str, float]:
        """Returns the accuracies (0..1) by their names in a run's metrics."""
        return {
            f"probe_{split}_accuracy": float(correct.mean())
            for split, correct in (
                ("validation", self.validation_correct),
                ("test", self.test_correct),
            )
            if len(correct)
        }

    def compare(self, logits: np.ndarray, labels) -> dict[str, dict]:
        """Returns how far a model is above the probe on the validation images.

        Args:
            logits: The model's, [n, K].
            labels: n class indices.

        Returns:
            `probe_validation_difference`, see `paired_difference.measure_difference`;
            nothing without validation images.
        """
        if not len(self.validation_correct):
            return {}
        correct = np.argmax(logits, axis=1) == np.asarray(labels)
        return {
            "probe_validation_difference": paired_difference.measure_difference(
                correct, self.validation_correct
            )
        }


def measure(
    model: keras.Model,
    splits: Mapping[str, Examples],
    spec: ImageSpec,
    *,
    batch_size: int,
    seed: int,
    read: Callable | None = None,
) -> FeatureProbe:
    """Fits a probe to the training images of a model that was not trained yet.

    Args:
        model: Made by `classifier.add_head`, in its strategy's scope. Of several
            workers all must call this, and all get the same.
        splits: "train", "validation" and, if it is to be measured, "test".
        spec: How an image becomes the model's pixels.
        batch_size: Images per step over all replicas.
        seed: Chooses the training images where there are more than
            `MAX_TRAINING_IMAGES`.
        read: Made by `create_reader`; None for one made here.

    Raises:
        RunError: A feature is not finite.
    """
    read = read or create_reader(model, spec, batch_size=batch_size)
    train = splits["train"]
    if len(train) > MAX_TRAINING_IMAGES:
        order = np.random.default_rng(seed).permutation(len(train))
        train = train.take(np.sort(order[:MAX_TRAINING_IMAGES]))
    seen = {
        name: (np.asarray(read(of.paths), np.float64), np.asarray(of.labels))
        for name, of in {**splits, "train": train}.items()
        if len(of)
    }
    kernel, bias, regularization = fit_head(
        *seen["train"], len(train.class_names), seen.get("validation")
    )
    correct = {
        name: np.argmax(features @ kernel + bias, axis=1) == labels
        for name, (features, labels) in seen.items()
    }
    nothing = np.zeros(0, bool)
    return FeatureProbe(
        kernel,
        bias,
        regularization,
        correct.get("validation", nothing),
        correct.get("test", nothing),
    )


def create_reader(
    model: keras.Model, spec: ImageSpec, *, batch_size: int
) -> Callable[[Sequence[str]], np.ndarray]:
    """Returns the function from image paths to the features [n, C] that a head reads.

    Args:
        model: See `measure`; its present weights count at each call.
        spec: Likewise.
        batch_size: Likewise.
    """
    return scoring.create_predictor(
        model, model.get_layer("head").input, spec, batch_size=batch_size
    )


def fit_head(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    validation: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fits a multinomial logistic regression and folds its scaling into the weights.

    Args:
        features: [n, C], finite.
        labels: n class indices; a class may be without images.
        num_classes: K.
        validation: Features and labels that choose the regularization by their mean
            cross-entropy; None takes a fixed one.

    Returns:
        Kernel [C, K] and bias [K], float32, and scikit-learn's C.

    Raises:
        RunError: A feature is not finite.
    """
    if not np.isfinite(features).all():
        raise errors.RunError(
            "The features of the network before training are not finite; check that "
            "the images match its pixel range (--pixel_range), or try "
            "--precision=float32."
        )
    candidates = REGULARIZATIONS if validation else (_WITHOUT_VALIDATION,)
    heads = _fit_heads(features, labels, num_classes, candidates)
    losses = [0.0]
    if validation:
        held_out, truth = validation
        losses = [
            scoring.compute_metrics(held_out @ kernel + bias, truth)["loss"]
            for kernel, bias in heads
        ]
    best = int(np.argmin(losses))
    kernel, bias = heads[best]
    return kernel.astype(np.float32), bias.astype(np.float32), candidates[best]


def _fit_heads(
    features, labels, num_classes, candidates
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns kernel and bias for each regularization, from strong to weak."""
    mean, scale = _measure_scale(features)
    classes = np.unique(labels)
    if len(classes) == 1:  # scikit-learn needs two
        weights = np.zeros((1, len(mean)))
        return [_spread(weights, [0.0], classes, num_classes)] * len(candidates)
    # Each fit starts from the one before it.
    model = linear_model.LogisticRegression(max_iter=_MAX_ITERATIONS, warm_start=True)
    heads = []
    for regularization in candidates:
        model.set_params(C=regularization)
        with warnings.catch_warnings():
            # A fit that did not converge is a candidate as the others are.
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            model.fit((features - mean) / scale, labels)
        weights = model.coef_ / scale
        intercepts = model.intercept_ - weights @ mean
        heads.append(_spread(weights, intercepts, model.classes_, num_classes))
    return heads


def _measure_scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean of each channel, and what divides it to unit mean square."""
    deviations = features.std(axis=0)
    usual = np.sqrt(np.mean(deviations**2)) or 1.0
    least = np.maximum(deviations, _LEAST_DEVIATION * usual)
    return features.mean(axis=0), least * np.sqrt(len(deviations))


def _spread(weights, intercepts, classes, num_classes) -> tuple[np.ndarray, np.ndarray]:
    """Returns kernel [C, K] and bias [K] of the regression's classes and the others."""
    weights, intercepts = np.asarray(weights), np.asarray(intercepts)
    if len(classes) == 2:  # scikit-learn has one logit then, their difference
        weights = np.concatenate([-weights, weights]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    kernel = np.zeros((weights.shape[1], num_classes))
    bias = np.full(num_classes, _ABSENT)
    kernel[:, classes] = weights.T
    bias[classes] = intercepts
    return kernel, bias


def save(probe: FeatureProbe, path: pathlib.Path) -> None:
    """Writes a probe to an .npz file, atomically."""
    with atomic.replacing(path) as temporary:
        np.savez(temporary, **dataclasses.asdict(probe))


def load(path: pathlib.Path) -> FeatureProbe:
    """Returns the probe of a file.

    Raises:
        RunError: The file is missing or damaged.
    """
    # It was written without compression.
    max_bytes = path.stat().st_size if path.exists() else 0
    arrays = untrusted.load_arrays(path, max_bytes=max_bytes)
    names = {field.name for field in dataclasses.fields(FeatureProbe)}
    if set(arrays) != names:
        raise errors.RunError(
            f"{path} is not a probe: it has {', '.join(sorted(arrays)) or 'nothing'}. "
            "Remove it and give the same command again."
        )
    regularization = float(arrays.pop("regularization"))
    return FeatureProbe(regularization=regularization, **arrays)


def describe_shortfall(metrics: Mapping) -> str | None:
    """Describes a run that ended below the probe on its own features.

    Args:
        metrics: With the entries of `FeatureProbe.compare` and `list_metrics`.

    Returns:
        One line; None when the 95 % interval of the paired difference reaches 0.
    """
    found = metrics.get("probe_validation_difference")
    if found is None or found["high"] >= 0:
        return None
    probe, run = metrics["probe_validation_accuracy"], metrics["validation_accuracy"]
    return (
        f"On the validation images this training is worse than a linear classifier on "
        f"the frozen features: {100 * run:.1f} % and {100 * probe:.1f} %, 95 % "
        f"interval of the difference {100 * found['low']:.1f} to "
        f"{100 * found['high']:.1f} points. Try a lower --learning_rate or "
        "--head_init=probe; the linear classifier itself is the same command with "
        "--method=fine_tuning --tune_blocks=none --head_init=probe "
        "--head_learning_rate=0 --epochs=1 --steps_per_epoch=1 and another "
        "--output_dir."
    )
