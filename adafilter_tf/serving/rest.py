"""TensorFlow Serving's REST calls: predict, status and metadata of one model.

https://www.tensorflow.org/tfx/serving/api_rest: requests, answers and status codes are
those of its server, so that its clients work without a change.
"""

import asyncio
import base64
import binascii
import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.serving.served_model import DEFAULT_SIGNATURE, ServedModel

MAX_BODY_BYTES = 32 * 2**20
# Tiny files may promise many pixels each.
MAX_IMAGES = 256
_BODY_TIMEOUT_S = 30
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18}))?(:predict|/metadata)?")


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: Of HTTP.
        message: The reason.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer to a request.

    Attributes:
        status: Of HTTP.
        body: JSON.
    """

    status: int
    body: bytes


def answer(served: ServedModel, method: str, path: str, body: bytes = b"") -> Answer:
    """Returns the answer to a request; one that is refused has an `error` in JSON.

    Args:
        served: The model.
        method: Of HTTP.
        path: Of the URL.
        body: Of a POST.
    """
    try:
        found = _route(served, method, path)(body)
        return Answer(200, json.dumps(found, allow_nan=False).encode("ascii"))
    except RequestError as error:
        status, message = error.status, str(error)
    except tf.errors.InvalidArgumentError as error:
        status, message = 400, _explain(error)
    except tf.errors.OpError as error:
        status, message = 500, _explain(error)
    return refuse(status, message)


def refuse(status: int, message: str) -> Answer:
    """Returns the answer to a request that is refused."""
    return Answer(status, json.dumps({"error": message}).encode("ascii"))


def _explain(error: tf.errors.OpError) -> str:
    """Returns the reason without the nodes of the graph that stand around it."""
    reason = error.message.split("[[{{node")[0].strip().splitlines()
    return errors.explain(ValueError(reason[-1] if reason else ""))


def create_app(served: ServedModel):
    """Returns the application by the ASGI protocol, for one model.

    One request is computed at a time: TensorFlow uses all cores for it. A body of more
    than 32 MiB, or one that takes longer than 30 s to arrive, is refused.
    """
    import anyio
    from starlette import applications, requests, responses, routing

    places = anyio.CapacityLimiter(1)

    async def respond(request):
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await _read_body(request)
        except TimeoutError:
            given = refuse(408, f"No complete request within {_BODY_TIMEOUT_S} s")
        except requests.ClientDisconnect:
            given = refuse(400, "The request ended too early")  # nobody reads it
        except RequestError as error:
            given = refuse(error.status, str(error))
        else:
            compute = functools.partial(
                answer, served, request.method, request.url.path, body
            )
            given = await anyio.to_thread.run_sync(compute, limiter=places)
        return responses.Response(
            given.body, given.status, media_type="application/json"
        )

    every_path = routing.Route("/{path:path}", respond, methods=["GET", "POST"])
    return applications.Starlette(routes=[every_path])


async def _read_body(request) -> bytes:
    body = bytearray()
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        # The rest is read and dropped: a client that cannot send it hears no reason.
        if length <= MAX_BODY_BYTES:
            body += chunk
    if length > MAX_BODY_BYTES:
        raise RequestError(
            413, f"Request of more than {MAX_BODY_BYTES} bytes; send fewer images"
        )
    return bytes(body)


def _route(served: ServedModel, method: str, path: str) -> Callable[[bytes], object]:
    match = _PATH.fullmatch(path)
    calls = {
        ("GET", None): _describe_status,
        ("GET", "/metadata"): _describe_metadata,
        ("POST", ":predict"): _predict,
    }
    call = match and calls.get((method, match[3]))
    if not match or not call:
        raise RequestError(404, f"Malformed request: {method} {path[:200]}")
    name, version = match[1], match[2]
    if name != served.name or (version or str(served.version)) != str(served.version):
        asked = f"Specific({name}, {version})" if version else f"Latest({name})"
        raise RequestError(404, f"Servable not found for request: {asked}")
    return functools.partial(call, served)


def _describe_status(served: ServedModel, body: bytes) -> dict:
    del body
    row = {
        "version": str(served.version),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return {"model_version_status": [row]}


def _describe_metadata(served: ServedModel, body: bytes) -> dict:
    del body
    return {
        "model_spec": {
            "name": served.name,
            "signature_name": "",
            "version": str(served.version),
        },
        "metadata": {"signature_def": served.describe_signatures()},
    }


def _predict(served: ServedModel, body: bytes) -> dict:
    """Answers in the format of the request: rows, or columns."""
    request = _parse(body)
    signature = request.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(signature, str) or signature not in served.signatures:
        raise RequestError(
            400,
            f'Serving signature name: "{str(signature)[:80]}" not found in signature '
            f"def; it has {', '.join(sorted(served.signatures))}",
        )
    specs = served.list_inputs(signature)
    by_row = "instances" in request
    if by_row == ("inputs" in request):
        raise RequestError(400, "Missing 'inputs' or 'instances' key, one of the two")
    read = _read_rows if by_row else _read_columns
    columns = read(request["instances" if by_row else "inputs"], specs)
    inputs = {name: to_array(name, columns[name], of) for name, of in specs.items()}
    _check_counts(inputs)
    outputs = {
        name: to_json(name, value)
        for name, value in served.predict(signature, inputs).items()
    }
    if not by_row:
        return {"outputs": outputs if len(outputs) > 1 else [*outputs.values()][0]}
    if len(outputs) == 1:
        return {"predictions": [*outputs.values()][0]}
    rows = zip(*outputs.values(), strict=True)
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}


def _parse(body: bytes) -> dict:
    def refuse_constant(name):
        raise ValueError(f"{name} is no number of JSON")

    try:
        request = json.loads(body, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"JSON Parse error: {errors.explain(error)}") from error
    if not isinstance(request, dict):
        raise RequestError(400, "JSON Value: the request is no object")
    return request


def _read_rows(rows, specs: Mapping[str, tf.TensorSpec]) -> dict[str, list]:
    if not isinstance(rows, list) or not rows:
        raise RequestError(400, "No values in 'instances' array")
    if len(specs) == 1 and not any(_is_named(row, specs) for row in rows):
        return {name: rows for name in specs}
    for index, row in enumerate(rows):
        if not _is_named(row, specs):
            raise RequestError(
                400, f"Instance {index} needs the keys {', '.join(sorted(specs))} alone"
            )
    return {name: [row[name] for row in rows] for name in specs}


def _read_columns(columns, specs: Mapping[str, tf.TensorSpec]) -> Mapping:
    if len(specs) == 1 and not isinstance(columns, dict):
        return dict.fromkeys(specs, columns)
    if not _is_named(columns, specs):
        raise RequestError(
            400, f"'inputs' needs the keys {', '.join(sorted(specs))} alone"
        )
    return columns


def _is_named(value, specs: Mapping[str, tf.TensorSpec]) -> bool:
    return isinstance(value, dict) and value.keys() == specs.keys()


def _check_counts(inputs: Mapping[str, np.ndarray]) -> None:
    count = max(len(array) for array in inputs.values())
    if count > MAX_IMAGES:
        raise RequestError(
            400, f"Received {count} images; send at most {MAX_IMAGES} in a request"
        )


def to_array(name: str, values: object, spec: tf.TensorSpec) -> np.ndarray:
    """Returns the tensor of an input.

    Args:
        name: Of the input.
        values: Nested lists of what JSON has; bytes are `{"b64": base64}`.
        spec: Shape and dtype that are needed.

    Raises:
        RequestError: The values are others.
    """
    is_text = spec.dtype == tf.string
    try:
        if is_text:
            array = np.array(_decode(values), object)
        else:
            with np.errstate(over="ignore"):  # an infinity is refused below
                array = np.array(values, spec.dtype.as_numpy_dtype)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RequestError(400, f"Input {name}: {errors.explain(error)}") from error
    if not spec.shape.is_compatible_with(array.shape):
        raise RequestError(
            400, f"Input {name} has the shape {[*array.shape]}; needed is {spec.shape}"
        )
    if not is_text and not np.all(np.isfinite(array)):
        raise RequestError(400, f"Input {name} has a value that is not finite")
    return array


def _decode(value):
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.keys() == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ValueError(f"b64 is no base64: {error}") from error
    raise ValueError(
        f'{str(value)[:80]} is not of expected type: text or {{"b64": base64}}'
    )


def to_json(name: str, value: np.ndarray) -> list:
    """Returns an output as lists.

    Args:
        name: Of the output.
        value: Of any shape; text as bytes.

    Raises:
        RequestError: A number is not finite, which JSON cannot say.
    """
    if value.dtype == object:
        texts = [text.decode("utf-8", "replace") for text in value.ravel()]
        return np.array(texts, object).reshape(value.shape).tolist()
    if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
        raise RequestError(500, f"The model's {name} is not finite")
    return value.tolist()
