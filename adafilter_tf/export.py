"""From a trained model to a SavedModel that takes files and needs none of our code.

The graph holds the preprocessing of evaluation, the model and the label names. It is
written with `tf.saved_model.save`: `keras.export.ExportArchive` calls the same, but has
no public way to attach an asset.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from absl import logging

from adafilter_tf import errors
from adafilter_tf.data import preprocessing

# A server decodes what strangers send: 64 megapixels are 200 MB of RGB, more than the
# largest common cameras give. The header is enough to refuse more.
MAX_PIXELS = 2**26

_PNG_SIZE_OFFSET = 16


def export_saved_model(
    model: keras.Model,
    export_dir: str,
    *,
    class_names: Sequence[str],
    image_size: int,
    channels: int,
    crop_fraction: float,
) -> str:
    """Writes the next version of a SavedModel; gives its folder, `export_dir/<number>`.

    Signatures, all batch-major, n >= 1:

    - `serving_default`: `image_bytes`, string [n], the bytes of JPEG or PNG files.
    - `serving_float`: `images`, float32 [n, H, W, C], decoded pixels 0..255.

    Both give `logits` float32 [n, K], `probabilities` float32 [n, K] and `classes`
    string [n], the name of the most probable class. `assets/labels.txt` has the K
    names, one per line.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        export_dir: the folder of all versions, as a model server watches it. The new
            version appears under its number only when it is complete.
        class_names: K names.
        image_size: S.
        channels: C, 1 or 3.
        crop_fraction: share of the shorter side that the central crop keeps.

    Raises:
        RunError: a class name with a line break.
        ValueError: another number of names than the model has outputs.
    """
    _check_class_names(model, class_names)
    os.makedirs(export_dir, exist_ok=True)
    # In the same folder, hence on the same file system, and no number: no model server
    # takes it for a version.
    staging = tempfile.mkdtemp(prefix=".unfinished-", dir=export_dir)
    try:
        labels_path = os.path.join(staging, "labels.txt")
        with open(labels_path, "w", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in class_names)
        classify = _classifier(model, class_names)
        servable = tf.Module()
        servable.labels = tf.saved_model.Asset(labels_path)
        # Signatures save only variables that hang on the saved object.
        servable.model_variables = [variable.value for variable in model.variables]
        signatures = {
            "serving_default": _serve_encoded(
                classify, image_size, channels, crop_fraction
            ),
            "serving_float": _serve_decoded(
                classify, image_size, channels, crop_fraction
            ),
        }
        finished = os.path.join(staging, "saved_model")
        tf.saved_model.save(servable, finished, signatures=signatures)
        version = os.path.join(export_dir, str(_next_version(export_dir)))
        os.rename(finished, version)
    finally:
        shutil.rmtree(staging)
    logging.info("Exported %d classes to %s.", len(class_names), version)
    return version


def bound_pixels(encoded: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """The same bytes, or an error if their header promises too many pixels.

    Args:
        encoded: scalar string.
        max_pixels: the largest allowed height times width.

    Raises:
        tf.errors.InvalidArgumentError: a larger image, or a damaged JPEG header.
    """
    num_pixels = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _area(tf.io.extract_jpeg_shape(encoded)[:2]),
        lambda: _png_pixels(encoded),
    )
    allowed = num_pixels <= max_pixels
    message = f"The image has more than {max_pixels} pixels; make it smaller. It has"
    check = tf.debugging.Assert(allowed, [message, num_pixels])
    with tf.control_dependencies([check] if check is not None else []):
        # Graph optimisers of servers may drop assertions; no decoder takes "".
        return tf.where(allowed, encoded, "")


def _area(size: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.cast(size, tf.int64))


def _png_pixels(encoded: tf.Tensor) -> tf.Tensor:
    padded = tf.strings.join([encoded, tf.constant(b"\0" * (_PNG_SIZE_OFFSET + 8))])
    size = tf.strings.substr(padded, _PNG_SIZE_OFFSET, 8)
    return _area(tf.io.decode_raw(size, tf.int32, little_endian=False))


def _check_class_names(model: keras.Model, class_names: Sequence[str]) -> None:
    if model.output_shape[-1] != len(class_names):
        raise ValueError(
            f"Received {len(class_names)} class names for a model of "
            f"{model.output_shape[-1]} outputs; each output needs one name."
        )
    for name in class_names:
        if len(name.splitlines()) > 1:
            raise errors.RunError(
                f"Received the class name {name!r}; a name is one line, because "
                "labels.txt has one name per line. Rename the class."
            )


def _next_version(export_dir: str) -> int:
    versions = [int(name) for name in os.listdir(export_dir) if name.isdecimal()]
    return max(versions, default=0) + 1


def _classifier(model: keras.Model, class_names: Sequence[str]) -> Callable:
    labels = tf.constant(list(class_names))

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # Under mixed precision a model may compute in 16 bits; the answer never is.
        logits = tf.cast(model(images, training=False), tf.float32)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "classes": tf.gather(labels, tf.argmax(logits, axis=-1)),
        }

    return classify


def _serve_encoded(
    classify: Callable, image_size: int, channels: int, crop_fraction: float
):
    def preprocess(encoded: tf.Tensor) -> tf.Tensor:
        return preprocessing.preprocess_for_evaluation(
            bound_pixels(encoded, MAX_PIXELS),
            image_size=image_size,
            channels=channels,
            crop_fraction=crop_fraction,
        )

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.TensorSpec([image_size, image_size, channels], tf.float32)
        images = tf.map_fn(preprocess, image_bytes, fn_output_signature=pixels)
        return classify(images)

    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    return tf.function(serve, input_signature=[spec], autograph=False)


def _serve_decoded(
    classify: Callable, image_size: int, channels: int, crop_fraction: float
):
    def preprocess(image: tf.Tensor) -> tf.Tensor:
        return preprocessing.preprocess_decoded(
            image, image_size=image_size, crop_fraction=crop_fraction
        )

    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.TensorSpec([image_size, image_size, channels], tf.float32)
        return classify(tf.map_fn(preprocess, images, fn_output_signature=pixels))

    spec = tf.TensorSpec([None, None, None, channels], tf.float32, name="images")
    return tf.function(serve, input_signature=[spec], autograph=False)
