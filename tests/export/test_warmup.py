import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from adafilter_tf import export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import warmup
from adafilter_tf.methods import fine_tuning
from tests.conftest import tiny_resnet


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return export.export_saved_model(
        fine_tuning.build(tiny_resnet(), 2),
        str(tmp_path_factory.mktemp("export")),
        ImageSpec(image_size=8, channels=3, crop_fraction=1.0),
        class_names=["a", "b"],
    )


def test_requests_lie_where_a_server_looks(version):
    """Read back as TensorFlow Serving reads them."""
    path = f"{version}/assets.extra/tf_serving_warmup_requests"
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator()
    ]
    assert [
        (
            request.model_spec.signature_name,
            len(request.inputs["image_bytes"].string_val),
        )
        for request in requests
    ] == [("serving_default", 1), ("serving_default", 8), ("strict", 1), ("strict", 8)]
    image = requests[0].inputs["image_bytes"].string_val[0]
    assert tf.io.decode_jpeg(image).shape == (8, 8, 3)


def test_every_request_is_answered(version):
    assert warmup.replay_requests(version) == 4


def test_request_that_the_model_cannot_answer_is_an_error(version, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(version, copy)
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = "strict"
    log.predict_log.request.inputs["image_bytes"].CopyFrom(
        tf.make_tensor_proto([b"no image"])
    )
    with tf.io.TFRecordWriter(str(copy / warmup.FOLDER / warmup.FILE_NAME)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(tf.errors.InvalidArgumentError, match="neither a JPEG nor"):
        warmup.replay_requests(copy)
