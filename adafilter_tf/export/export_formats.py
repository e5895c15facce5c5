"""A trained model as files of other runtimes, ONNX and LiteRT (TensorFlow Lite).

Each file is run by its own runtime on real images before it gets its name.
"""

import dataclasses
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from scipy import special

from adafilter_tf import errors, layers
from adafilter_tf.export import runtimes
from adafilter_tf.files import atomic

# Greatest difference of a probability, in the median image. Float32 files were 1e-6
# apart; a wrong padding or a lost weight is 1e-2 or more, in every image.
TOLERANCE = 1e-4
# Another order of summation can flip a gate at its threshold.
MAX_CHANGED_SHARE = 0.01

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a program needs to know beside the file of a model; see docs/serving.md.

    Attributes:
        class_names: In the order of the logits.
        image_size: Height and width S of `images`, in pixels.
        channels: 1 (grey) or 3 (RGB).
        crop_fraction: Side of the central square that is resized to S x S, as a
            fraction of the shorter side of the upright image.
        resize_method: Of the central square.
        pixel_range: Least and greatest value of `images`, float32.
    """

    class_names: Sequence[str]
    image_size: int
    channels: int
    crop_fraction: float
    resize_method: str = "bilinear, antialiased"
    pixel_range: tuple[int, int] = (0, 255)


@dataclasses.dataclass(frozen=True)
class FormatReport:
    """The answers of a file and of Keras in float32 to the same labelled images.

    Attributes:
        path: The file.
        num_bytes: Its size.
        num_images: How many images it was tried on.
        accuracy: Share of the images whose label is the file's most probable class.
        keras_accuracy: The same of Keras.
        changed_predictions: Number of images whose most probable class is not Keras'.
        median_difference: Over the images, of the greatest difference between an
            image's probabilities.
        greatest_difference: Likewise the greatest; a flipped gate can make it large.
    """

    path: str
    num_bytes: int
    num_images: int
    accuracy: float
    keras_accuracy: float
    changed_predictions: int
    median_difference: float
    greatest_difference: float


def check_formats(formats: Sequence[str]) -> None:
    """Checks, before anything is trained, that files of these formats can be written.

    Raises:
        UsageError: When a format is unknown or one of its packages is not installed.
    """
    for name in formats:
        if name not in runtimes.RUNTIMES:
            raise errors.UsageError(
                f"Received the export format {name!r}; allowed are "
                f"{', '.join(runtimes.RUNTIMES)}."
            )
        missing = [
            package
            for package in runtimes.RUNTIMES[name].packages
            if importlib.util.find_spec(package.replace("-", "_")) is None
        ]
        if missing:
            raise errors.UsageError(
                f"The export format {name} needs packages that are not installed: pip "
                f"install {' '.join(missing)}"
            )


def export_formats(
    model: keras.Model,
    export_dir: str,
    formats: Sequence[str],
    *,
    images: np.ndarray,
    labels: np.ndarray,
    representative_images: np.ndarray,
    metadata: Metadata | None = None,
) -> list[FormatReport]:
    """Writes one file per format; replaces it if it exists.

    Every file takes `images`, float32 [n, S, S, C] in 0..255 of any n, to `logits`,
    float32 [n, K]. A model of mixed precision is exported in float32, and one of a
    distribution strategy for one device; call it outside of the strategy's scope.

    Args:
        model: Functional model, float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        export_dir: Folder of the files, named as in `runtimes.RUNTIMES`.
        formats: Keys of `runtimes.RUNTIMES`.
        images: float32 [n, S, S, C], real images on which the files are tried; some
            hundred are enough.
        labels: int [n], their classes.
        representative_images: float32 [m, S, S, C], training images, from which int8
            files take the ranges of their activations; a hundred are enough.
        metadata: Written into the files; None writes none.

    Returns:
        A report per format, in their order.

    Raises:
        UsageError: When a format is unknown or one of its packages is not installed.
        ValueError: When images or labels have another shape or type.
        RunError: When the model has a layer that a format does not have (the message
            names it), or a float32 file does not answer as Keras.
    """
    check_formats(formats)
    _check_images(model, images, labels, representative_images)
    # A GPU rounds the factors of float32 convolutions to 10 bits (TensorFloat-32).
    with tf.device("CPU:0"):
        portable = _portable_copy(model)
        expected = _predict(_keras_function(portable), images)
    os.makedirs(export_dir, exist_ok=True)
    staging = tempfile.mkdtemp(prefix=".unfinished-", dir=export_dir)
    reports = []
    try:
        for name in formats:
            runtime = runtimes.RUNTIMES[name]
            written = os.path.join(staging, runtime.file_name)
            logits = _answer(
                portable, name, written, images, representative_images, metadata
            )
            path = os.path.join(export_dir, runtime.file_name)
            report = _compare(path, written, logits, expected, labels)
            if not runtime.quantized:
                _check_agreement(report)
            atomic.publish(written, path)
            _log(name, report)
            reports.append(report)
    finally:
        shutil.rmtree(staging)
    return reports


def _check_images(model, images, labels, representative_images) -> None:
    shape = model.inputs[0].shape[1:]
    for name, value in (
        ("images", images),
        ("representative_images", representative_images),
    ):
        if value.dtype != np.float32 or value.shape[1:] != shape or not len(value):
            raise ValueError(
                f"Received {name} of shape {value.shape} and type {value.dtype}; the "
                f"model reads at least one of shape {shape} and type float32."
            )
    if len(labels) != len(images):
        raise ValueError(
            f"Received {len(images)} images and {len(labels)} labels; each image needs "
            "one label."
        )


def _portable_copy(model: keras.Model) -> keras.Model:
    """Returns the model in float32 on one device; its output is named "logits"."""

    def convert(layer):
        config = layer.get_config()
        if "dtype" in config:
            config["dtype"] = "float32"
        if isinstance(layer, layers.FoldedConv2D):
            config["pick_single"] = False  # kernels are constants there
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=convert)
    copy.set_weights(model.get_weights())
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # Tensors beside its weights, which `set_weights` leaves as they were; as
            # arrays they become constants, where tf2onnx makes tensors inputs.
            for name in ("mean", "variance"):
                value = keras.ops.convert_to_numpy(getattr(layer, name))
                setattr(copy.get_layer(layer.name), name, value)
    return keras.Model(copy.inputs[0], {"logits": copy.outputs[0]})


def _answer(model, name, path, images, representative_images, metadata) -> np.ndarray:
    """Writes a file, runs it and returns its logits."""
    runtime = runtimes.RUNTIMES[name]
    try:
        runtime.convert(model, path, representative_images)
        if metadata is not None:
            runtime.embed(path, dataclasses.asdict(metadata))
        return _predict(runtime.load(path), images)
    except Exception as error:  # Converters and runtimes raise bare subclasses of it.
        raise errors.RunError(
            f"The model cannot be exported as {name}: {runtimes.explain(error)}. Leave "
            "this format out."
        ) from error


def _keras_function(model: keras.Model) -> Callable:
    spec = tf.TensorSpec([None, *model.inputs[0].shape[1:]], tf.float32)
    call = tf.function(lambda x: model(x, training=False), input_signature=[spec])
    return lambda images: call(images)["logits"].numpy()


def _predict(run: Callable, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), _BATCH_SIZE)
    return np.concatenate([run(images[i : i + _BATCH_SIZE]) for i in starts])


def _compare(path, written, logits, expected, labels) -> FormatReport:
    answers, keras_answers = logits.argmax(-1), expected.argmax(-1)
    answered, wanted = (
        special.softmax(of.astype(np.float64), axis=-1) for of in (logits, expected)
    )
    differences = np.abs(answered - wanted).max(axis=-1)
    return FormatReport(
        path=path,
        num_bytes=os.path.getsize(written),
        num_images=len(labels),
        accuracy=float(np.mean(answers == labels)),
        keras_accuracy=float(np.mean(keras_answers == labels)),
        changed_predictions=int(np.sum(answers != keras_answers)),
        median_difference=float(np.median(differences)),
        greatest_difference=float(differences.max()),
    )


def _check_agreement(report: FormatReport) -> None:
    allowed = max(1, int(MAX_CHANGED_SHARE * report.num_images))
    # Written so that NaN disagrees.
    agrees = report.median_difference <= TOLERANCE
    if not agrees or report.changed_predictions > allowed:
        raise errors.RunError(
            f"{os.path.basename(report.path)} does not answer like Keras: its "
            f"probabilities differ by {report.median_difference:.1e} in the median "
            f"image (allowed is {TOLERANCE:.0e}) and {report.changed_predictions} of "
            f"{report.num_images} predictions differ (allowed are {allowed}). "
            "Leave this format out, or report the model."
        )


def _log(name: str, report: FormatReport) -> None:
    logging.info(
        "Exported %s to %s: %d bytes, accuracy %.4f (Keras %.4f) on %d images, %d "
        "predictions changed, probabilities %.1e apart in the median image, %.1e at "
        "most.",
        name,
        report.path,
        report.num_bytes,
        report.accuracy,
        report.keras_accuracy,
        report.num_images,
        report.changed_predictions,
        report.median_difference,
        report.greatest_difference,
    )
