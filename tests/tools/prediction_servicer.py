"""A model server for tests: TensorFlow Serving's interfaces over a SavedModel folder.

    python -m tests.tools.prediction_servicer EXPORT_DIR MODEL_NAME

Serves the newest numbered version on free ports of 127.0.0.1, prints them as one line
of JSON, {"grpc": N, "rest": N}, and ends when its standard input does. What it shares
with TensorFlow Serving: TensorFlow's C++ session of the graph and the messages. What it
imitates: checks, status codes and JSON, after predict_util.cc, json_tensor.cc and
http_rest_api_handler.cc. What it lacks: batching across requests, new versions.
"""

import base64
import contextlib
import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from concurrent import futures

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 501,
}
_PREDICT_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", re.I)


class StatusError(Exception):
    """A request that is refused, with the name of the gRPC status code."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class ServedModel:
    """The newest version of a SavedModel, run as TensorFlow Serving runs it."""

    def __init__(self, export_dir, name):
        self.name = name
        self.version = max(int(v) for v in os.listdir(export_dir) if v.isdecimal())
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            self._signatures = tf.compat.v1.saved_model.load(
                self._session, ["serve"], os.path.join(export_dir, str(self.version))
            ).signature_def

    def find_signature(self, name, version, signature, *, by_rest=False):
        """The SignatureDef; version is None for the newest."""
        if name != self.name or version not in (None, self.version):
            asked = f"Latest({name})" if version is None else f"Specific({name}, "
            asked += "" if version is None else f"{version})"
            raise StatusError("NOT_FOUND", f"Servable not found for request: {asked}")
        signature = signature or "serving_default"
        if signature in self._signatures:
            return self._signatures[signature]
        if by_rest:
            message = (
                f'Serving signature name: "{signature}" not found in signature def'
            )
            raise StatusError("INVALID_ARGUMENT", message)
        message = f'Serving signature key "{signature}" not found.'
        raise StatusError("FAILED_PRECONDITION", message)

    def predict(self, signature, inputs):
        """Outputs by name, numpy arrays, of the inputs by name."""
        if inputs.keys() != signature.inputs.keys():
            given, needed = sorted(inputs), sorted(signature.inputs)
            raise StatusError(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {given} != {needed}",
            )
        names, outputs = sorted(inputs), sorted(signature.outputs)
        try:
            call = self._make_callable(
                tuple(signature.inputs[name].name for name in names),
                tuple(signature.outputs[name].name for name in outputs),
            )
            values = call(*(inputs[name] for name in names))
        except tf.errors.OpError as error:
            status = grpc_status(error.error_code)
            raise StatusError(status, error.message) from error
        return dict(zip(outputs, values, strict=True))

    @functools.cache  # noqa: B019 - one model a process
    def _make_callable(self, feed, fetch):
        # Session.run would check dtypes and shapes in Python, which no server does.
        options = config_pb2.CallableOptions(feed=feed, fetch=fetch)
        return self._session._make_callable_from_options(options)


def grpc_status(code):
    """Name of the gRPC status code of a TensorFlow error; the numbers are the same."""
    return next(s.name for s in grpc.StatusCode if s.value[0] == code)


class PredictionServicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served):
        self._served = served

    def Predict(self, request, context):  # noqa: N802 - gRPC names it
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            signature = self._served.find_signature(
                spec.name, version, spec.signature_name
            )
            inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
            outputs = self._served.predict(signature, inputs)
        except StatusError as error:
            context.abort(grpc.StatusCode[error.status], str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(spec)
        response.model_spec.version.value = self._served.version
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


class RestHandler(http.server.BaseHTTPRequestHandler):
    served: ServedModel

    def do_POST(self):  # noqa: N802 - http.server names it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = 200, {"predictions": self._predict(body)}
        except StatusError as error:
            status = _HTTP_STATUSES.get(error.status, 500)
            answer = {"error": str(error)}
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_):
        pass

    def _predict(self, body):
        match = _PREDICT_PATH.fullmatch(self.path)
        if not match:
            raise StatusError(
                "INVALID_ARGUMENT", f"Malformed request: POST {self.path}"
            )
        request = json.loads(body)
        signature = self.served.find_signature(
            match[1],
            match[2] and int(match[2]),
            request.get("signature_name"),
            by_rest=True,
        )
        if not request["instances"]:
            raise StatusError("INVALID_ARGUMENT", "No values in 'instances' array")
        inputs = {
            name: to_array([row[name] for row in request["instances"]], info.dtype)
            for name, info in signature.inputs.items()
        }
        outputs = self.served.predict(signature, inputs)
        columns = {name: to_json(value) for name, value in outputs.items()}
        if len(columns) == 1:
            return next(iter(columns.values()))
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def to_array(values, dtype):
    """The tensor of a column of JSON values."""

    def decode(value):
        if isinstance(value, list):
            return [decode(element) for element in value]
        if (dtype == tf.string) != isinstance(value, dict | str):
            expected = tf.as_dtype(dtype).name
            message = f"JSON Value: {value} is not of expected type: {expected}"
            raise StatusError("INVALID_ARGUMENT", message)
        if isinstance(value, dict):
            return base64.b64decode(value["b64"])
        return value.encode() if isinstance(value, str) else value

    try:
        return np.array(decode(values), tf.as_dtype(dtype).as_numpy_dtype)
    except ValueError as error:
        raise StatusError("INVALID_ARGUMENT", f"Expecting shape: {error}") from error


def to_json(value):
    """A tensor as lists; float32 has 9 digits, which is enough to read it back."""
    if value.dtype == object:
        return [
            to_json(v) if v.ndim else v.item().decode() for v in map(as_array, value)
        ]
    if value.dtype == np.float32:
        value = np.vectorize(lambda x: float(f"{x:.9g}"), otypes=[float])(value)
    return value.tolist()


def as_array(value):
    return np.asarray(value, object)


@contextlib.contextmanager
def start(export_dir, name):
    """Runs this module as a process of its own; gives its ports by protocol."""
    command = [sys.executable, "-m", "tests.tools.prediction_servicer"]
    with subprocess.Popen(
        [*command, str(export_dir), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()


def main():
    export_dir, name = sys.argv[1:]
    served = ServedModel(export_dir, name)
    # TensorFlow Serving takes requests up to gRPC's own bound.
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(4), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionServicer(served), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    RestHandler.served = served
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": port, "rest": rest.server_port}), flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main()
