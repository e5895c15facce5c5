"""The signatures of a served model: inputs and outputs by name."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from adafilter_tf.data.decoding import preprocessing, served_formats
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import decoding
from adafilter_tf.models import gate_io

# The conventional key of an encoded image in a tf.train.Example.
EXAMPLE_KEY = "image/encoded"
# Signatures that TensorFlow Serving answers by another call than Predict.
METHOD_NAMES = {"classify": "tensorflow/serving/classify"}

Outputs = dict[str, tf.Tensor]


class Classifier:
    """A model with its class names and preprocessing.

    Args:
        model: float32 pixels [B, S, S, C] in 0..255 to logits [B, K].
        class_names: K names.
        spec: How an image becomes pixels [S, S, C].
        top_k: How many classes are named per image, at most K.
        gates: Of the model's input, by layer; None takes those of `model` itself.

    Attributes:
        model: The same.
        gates: The same.
        spec: The same.
    """

    def __init__(
        self,
        model: keras.Model,
        class_names: Sequence[str],
        spec: ImageSpec,
        *,
        top_k: int,
        gates: Mapping[str, keras.KerasTensor] | None = None,
    ):
        self.model = model
        self.gates = gate_io.list_gates(model) if gates is None else gates
        self.spec = spec
        self._class_names = list(class_names)
        self._top_k = top_k
        # Traced once for all signatures.
        self._compute_logits = tf.function(
            self._call_model,
            input_signature=[tf.TensorSpec([None, *self.spec.shape], tf.float32)],
            autograph=False,
        )
        self._decode = tf.function(
            self._decode_image,
            input_signature=[tf.TensorSpec([], tf.string)],
            autograph=False,
        )

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Returns the pixels of one encoded image as the model takes them."""
        return self._decode(encoded)

    def _decode_image(self, encoded: tf.Tensor) -> tf.Tensor:
        spec = dataclasses.replace(self.spec, max_pixels=None)  # strangers' images
        encoded = served_formats.to_png(encoded, spec.background)
        return preprocessing.preprocess_for_evaluation(encoded, spec)

    def classify(self, images: tf.Tensor, valid: tf.Tensor | None = None) -> Outputs:
        """Returns the outputs of all signatures but `gates` and `classify`.

        Args:
            images: float32 [n, S, S, C] in 0..255.
            valid: bool [n]; the other images get zeros and empty names. Zeros, not
                NaN: JSON has no NaN, and a REST client would refuse the answer of the
                whole batch.
        """
        logits = self._compute_logits(images)
        probabilities = tf.nn.softmax(logits)
        scores, indices = tf.math.top_k(probabilities, self._top_k)
        names = tf.gather(tf.constant(self._class_names), indices)
        if valid is not None:
            missing = ~valid[:, tf.newaxis]
            logits, probabilities, scores = (
                tf.where(missing, 0.0, of) for of in (logits, probabilities, scores)
            )
            names = tf.where(missing, "", names)
        return {
            "logits": logits,
            "probabilities": probabilities,
            "classes": names[:, 0],
            "top_k_classes": names,
            "top_k_scores": scores,
        }

    def _call_model(self, images: tf.Tensor) -> tf.Tensor:
        # Under mixed precision a model may compute in 16 bits; the answer never is.
        return tf.cast(self.model(images, training=False), tf.float32)


def create_signatures(classifier: Classifier) -> dict[str, Callable]:
    """Returns the signatures by name; every output is batch-major, n >= 1.

    - `serving_default`: `image_bytes`, string [n], the bytes of JPEG, PNG, GIF, still
      WebP or 24-bit BMP files. A broken one does not fail the others: its `valid` is
      False, its numbers are 0, its names empty, and `error`, string [n], is the reason.
    - `strict`: without `valid` and `error`; a broken image is INVALID_ARGUMENT.
    - `serving_float`: `images`, float32 [n, H, W, C], decoded pixels 0..255.
    - `classify`: `inputs`, string [n], serialized tf.train.Example with
      `image/encoded`, to `classes` and `scores` [n, k]: TensorFlow Serving's Classify.
    - `gates`, of a model that has some: `image_bytes` to one float32 [n, N] per gated
      layer, 1 = tuned and 0 = frozen filter, and `valid`.

    The first three give `logits` and `probabilities` float32 [n, K], `classes` string
    [n], the most probable one, and `top_k_classes` and `top_k_scores` [n, k].
    """
    encoded = tf.TensorSpec([None], tf.string, name="image_bytes")
    decoded = tf.TensorSpec(
        [None, None, None, classifier.spec.channels], tf.float32, name="images"
    )
    examples = tf.TensorSpec([None], tf.string, name="inputs")
    endpoints = {
        "serving_default": (_serve_valid, encoded),
        "strict": (_serve_strict, encoded),
        "serving_float": (_serve_decoded, decoded),
        "classify": (_serve_examples, examples),
    }
    if classifier.gates:
        endpoints["gates"] = (_serve_gates, encoded)
    return {
        name: tf.function(
            _refuse_empty(create(classifier)), input_signature=[spec], autograph=False
        )
        for name, (create, spec) in endpoints.items()
    }


def _refuse_empty(serve: Callable[[tf.Tensor], Outputs]):
    def serve_some(inputs):
        count = tf.shape(inputs)[0]
        check = tf.debugging.Assert(
            count > 0, ["Received an empty batch; send one image or more."]
        )
        with tf.control_dependencies([check] if check is not None else []):
            return serve(tf.identity(inputs))

    return serve_some


def _serve_valid(classifier: Classifier) -> Callable[[tf.Tensor], Outputs]:
    def serve(image_bytes):
        images, valid = decoding.decode_valid(
            image_bytes, classifier.decode, classifier.spec.shape
        )
        return {
            **classifier.classify(images, valid),
            "valid": valid,
            "error": decoding.explain_invalid(image_bytes, valid),
        }

    return serve


def _serve_strict(classifier: Classifier) -> Callable[[tf.Tensor], Outputs]:
    def serve(image_bytes):
        images = decoding.decode_all(
            image_bytes, classifier.decode, classifier.spec.shape
        )
        return classifier.classify(images)

    return serve


def _serve_decoded(classifier: Classifier) -> Callable[[tf.Tensor], Outputs]:
    def preprocess(image):
        return preprocessing.preprocess_decoded(image, classifier.spec)

    def serve(images):
        pixels = tf.TensorSpec(classifier.spec.shape, tf.float32)
        images = tf.map_fn(preprocess, images, fn_output_signature=pixels)
        return classifier.classify(images)

    return serve


def _serve_examples(classifier: Classifier) -> Callable[[tf.Tensor], Outputs]:
    features = {EXAMPLE_KEY: tf.io.FixedLenFeature([], tf.string)}

    def serve(inputs):
        parsed = tf.io.parse_example(inputs, features)
        images, valid = decoding.decode_valid(
            parsed[EXAMPLE_KEY], classifier.decode, classifier.spec.shape
        )
        outputs = classifier.classify(images, valid)
        return {"classes": outputs["top_k_classes"], "scores": outputs["top_k_scores"]}

    return serve


def _serve_gates(classifier: Classifier) -> Callable[[tf.Tensor], Outputs]:
    gated = keras.Model(classifier.model.input, classifier.gates)

    def serve(image_bytes):
        images, valid = decoding.decode_valid(
            image_bytes, classifier.decode, classifier.spec.shape
        )
        gates = {
            # An invalid image chooses nothing.
            name: tf.where(valid[:, tf.newaxis], tf.cast(gate, tf.float32), 0.0)
            for name, gate in gated(images, training=False).items()
        }
        return {**gates, "valid": valid}

    return serve
