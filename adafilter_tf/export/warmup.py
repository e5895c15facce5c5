"""Requests that a model server answers before it takes others."""

import os
import pathlib

import numpy as np
import tensorflow as tf

# The names that TensorFlow Serving looks for.
FOLDER = "assets.extra"
FILE_NAME = "tf_serving_warmup_requests"

# A server traces and allocates for each number of images.
BATCH_SIZES = (1, 8)


def write_requests(
    saved_model: pathlib.Path, signatures: list[str], *, image_size: int, channels: int
) -> pathlib.Path:
    """Writes Predict requests of one noise image and of several.

    Args:
        saved_model: Folder of the SavedModel.
        signatures: Those that take `image_bytes`.
        image_size: Height and width of the images.
        channels: 1 or 3.

    Returns:
        The file, TFRecords of PredictionLog. The requests name no model: the server
        that loads the file knows which one it is for.
    """
    from tensorflow_serving.apis import prediction_log_pb2  # slow to import

    noise = np.random.default_rng(0).integers(
        0, 256, (image_size, image_size, channels), np.uint8
    )
    encoded = tf.io.encode_jpeg(noise).numpy()
    path = saved_model / FOLDER / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures:
            for batch_size in BATCH_SIZES:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.signature_name = signature
                request.inputs["image_bytes"].CopyFrom(
                    tf.make_tensor_proto([encoded] * batch_size)
                )
                writer.write(log.SerializeToString())
    return path


def replay_requests(saved_model: str | os.PathLike) -> int:
    """Answers the requests of a SavedModel as a server would when it loads it.

    Returns:
        The number of requests.

    Raises:
        tf.errors.OpError: The server would not load the model.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    loaded = tf.saved_model.load(str(saved_model))
    records = tf.data.TFRecordDataset(os.path.join(saved_model, FOLDER, FILE_NAME))
    count = 0
    for record in records.as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(
            record
        ).predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(tensor))
            for name, tensor in request.inputs.items()
        }
        loaded.signatures[request.model_spec.signature_name](**inputs)
        count += 1
    return count
