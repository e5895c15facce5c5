"""A trained model folded for export, checked on images that did not calibrate it."""

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np
from absl import logging
from scipy import special

from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.models import folding, gate_io
from adafilter_tf.models.folding import constant_gates, macs

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class FoldOptions:
    """Options of folding.

    Attributes:
        fold: A value of `folding.FOLDS`.
        fold_tolerance: Share of the validation predictions that "calibrated" may
            change; above it "exact" takes its place.
        min_images: With fewer training or validation images than these nothing is
            calibrated: no change in 100 images means less than 3 % at 95 % confidence,
            in 10 images nothing.
    """

    fold: str = "calibrated"
    fold_tolerance: float = 0.001
    min_images: int = 100


@dataclasses.dataclass(frozen=True)
class FoldReport:
    """The effect of folding, and the answers of the folded beside the trained model.

    Attributes:
        fold: What was done, "exact" or "calibrated".
        calibration_images: How many training images decided which gates are constant.
        calibrated_changed_predictions: What "calibrated" changed; more than
            `fold_tolerance` allows when `fold` is "exact". None if it was not tried.
        validation_images: How many images the following three were measured on.
        changed_predictions: Images whose most probable class is another one.
        greatest_difference: The greatest change of a probability; None without images.
        median_difference: Over the images, of the greatest change in an image.
        filters: Number of gated filters, or of routed blocks; 0 without gates.
        dependent_fraction: Share d of them whose gate depends on the image.
        multiply_adds: Of the folded network, per image.
        plain_multiply_adds: Of its backbone and head without gates or routes.
        kept: Layers that could not be folded.
    """

    fold: str
    calibration_images: int
    calibrated_changed_predictions: int | None
    validation_images: int
    changed_predictions: int
    greatest_difference: float | None
    median_difference: float | None
    filters: int
    dependent_fraction: float
    multiply_adds: int
    plain_multiply_adds: int
    kept: tuple[str, ...]

    @property
    def cost_ratio(self) -> float:
        """Multiply-adds of the folded network over those of the plain one."""
        return self.multiply_adds / self.plain_multiply_adds


def fold_model(
    model: keras.Model,
    examples: Splits,
    options: FoldOptions,
    spec: ImageSpec,
) -> tuple[folding.FoldedNetwork, FoldReport]:
    """Returns a trained model folded, and what that changed.

    "calibrated" needs evidence that it changes almost nothing: validation images, which
    did not calibrate it. With too few images, or if more predictions change than
    allowed, the fold is "exact".

    Args:
        model: Pixels [B, S, S, C] to logits [B, K].
        examples: The training images calibrate, the validation images check the result.
        options: How much is folded; not "none".
        spec: How an image becomes the model's pixels.
    """
    validation = examples.validation
    expected = _predict(model, validation, spec)
    folded = folding.fold(model)
    calibration_images, calibrated_changes = 0, None
    fold = "exact"
    if options.fold == "calibrated" and folded.dependent_fraction:
        if min(len(examples.train), len(validation)) < options.min_images:
            logging.warning(
                "--fold=calibrated needs %d training and %d validation images; there "
                "are %d and %d. The export is folded exactly.",
                options.min_images,
                options.min_images,
                len(examples.train),
                len(validation),
            )
        else:
            calibration_images = len(examples.train)
            constants = _calibrate(model, examples.train, spec)
            candidate = folding.fold(model, constants)
            answers = _predict(candidate.model, validation, spec)
            calibrated_changes = _count_changes(answers, expected)
            if calibrated_changes <= options.fold_tolerance * len(validation):
                folded, fold = candidate, "calibrated"
            else:
                logging.warning(
                    "--fold=calibrated would change %d of %d validation predictions, "
                    "more than --fold_tolerance=%g allows; the export is folded "
                    "exactly.",
                    calibrated_changes,
                    len(validation),
                    options.fold_tolerance,
                )
    answers = _predict(folded.model, validation, spec)
    report = FoldReport(
        fold=fold,
        calibration_images=calibration_images,
        calibrated_changed_predictions=calibrated_changes,
        validation_images=len(validation),
        changed_predictions=_count_changes(answers, expected),
        **_compare(answers, expected),
        filters=sum(folded.num_filters.values()),
        dependent_fraction=folded.dependent_fraction,
        multiply_adds=macs.count_macs(folded.model),
        plain_multiply_adds=macs.count_macs(_fold_plain(model)),
        kept=folded.kept,
    )
    return folded, report


def describe(report: FoldReport) -> str:
    """Returns the report as one line of text."""
    parts = [f"folded ({report.fold})"]
    if report.filters:
        parts.append(
            f"{report.dependent_fraction:.1%} of {report.filters:,} gates depend on "
            "the image"
        )
    parts.append(f"{report.cost_ratio:.2f} times the plain network's MACs")
    if report.validation_images:
        parts.append(
            f"{report.changed_predictions} of {report.validation_images} validation "
            f"predictions changed, a probability by {report.greatest_difference:.1e} "
            "at most"
        )
    if report.calibrated_changed_predictions and report.fold == "exact":
        parts.append(
            f"calibrated would have changed {report.calibrated_changed_predictions}"
        )
    return "; ".join(parts)


def _fold_plain(model: keras.Model) -> keras.Model:
    """Returns the network with all filters and blocks tuned, folded."""
    gates = gate_io.list_gates(model)
    tuned = {name: np.ones(gate.shape[-1], np.float32) for name, gate in gates.items()}
    return folding.fold(model, tuned).model


def _calibrate(model, examples: Examples, spec: ImageSpec) -> dict:
    return constant_gates.calibrate(model, _read_batches(examples, spec))


def _read_batches(examples: Examples, spec: ImageSpec) -> Iterator[np.ndarray]:
    left = len(examples)
    dataset = pipeline.evaluation_dataset(
        examples.paths, spec, batch_size=min(_BATCH_SIZE, left)
    )
    for images in dataset:
        # A batch of one shape, of which the last one is filled up.
        yield images.numpy()[:left]
        left -= len(images)


def _predict(model: keras.Model, examples: Examples, spec: ImageSpec) -> np.ndarray:
    """Returns the probabilities [n, K]."""
    if not len(examples):
        return np.zeros((0, model.output.shape[-1]))
    logits = [
        model.predict_on_batch(images) for images in _read_batches(examples, spec)
    ]
    return special.softmax(np.concatenate(logits).astype(np.float64), axis=-1)


def _count_changes(answers: np.ndarray, expected: np.ndarray) -> int:
    return int(np.sum(answers.argmax(axis=-1) != expected.argmax(axis=-1)))


def _compare(answers: np.ndarray, expected: np.ndarray) -> dict[str, float | None]:
    if not len(answers):
        return {"greatest_difference": None, "median_difference": None}
    differences = np.abs(answers - expected).max(axis=-1)
    return {
        "greatest_difference": float(differences.max()),
        "median_difference": float(np.median(differences)),
    }
