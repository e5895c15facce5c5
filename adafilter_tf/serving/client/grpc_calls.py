"""gRPC: TensorFlow Serving's PredictionService, with its official messages."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from adafilter_tf.serving.client import endpoint as endpoint_lib

# A server elsewhere is reached directly, as by REST. Answers are as large as the
# server makes them: gRPC's own limit of 4 MiB is below a batch of 1000 classes.
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1))


def wire_size(num_bytes: int) -> int:
    """An upper bound of what an image of `num_bytes` takes in a message, in bytes."""
    return num_bytes + 16  # Its tag and length, and its share of those around it.


@contextlib.contextmanager
def connect(endpoint: endpoint_lib.Endpoint) -> Iterator[Callable]:
    """Yields a function from n image files, as bytes, to the outputs by their names.

    It raises RequestError when no answer comes.
    """
    # "dns:///" keeps hosts such as `unix` from being other kinds of addresses.
    target = f"dns:///{endpoint.address}"
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def predict(images: Sequence[bytes]) -> dict[str, np.ndarray]:
            request = _make_request(endpoint, images)
            try:
                response = stub.Predict(request, timeout=endpoint.timeout_s)
            except grpc.RpcError as error:
                raise endpoint_lib.RequestError(
                    error.code().name, error.details() or "no reason given"
                ) from error
            return _read_outputs(response)

        yield predict


def _make_request(endpoint, images):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = endpoint.model
    request.model_spec.signature_name = endpoint.signature
    if endpoint.version is not None:
        request.model_spec.version.value = endpoint.version
    tensor = request.inputs["image_bytes"]
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.dim.add(size=len(images))
    tensor.string_val.extend(images)
    return request


def _read_outputs(response):
    try:
        return {name: tf.make_ndarray(t) for name, t in response.outputs.items()}
    except (TypeError, ValueError) as error:
        reason = f"a damaged answer: {error}"
        raise endpoint_lib.RequestError("INTERNAL", reason) from error
