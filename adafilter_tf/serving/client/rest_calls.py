"""REST: TensorFlow Serving's `POST /v1/models/NAME:predict`, in its row format."""

import base64
import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from urllib import parse

import numpy as np

from adafilter_tf.serving.client import endpoint as endpoint_lib

# TensorFlow Serving answers by these for its own status codes.
_STATUSES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MAX_ANSWER_BYTES = 2**30
_CHUNK_BYTES = 2**16


def wire_size(num_bytes: int) -> int:
    """An upper bound of what an image of `num_bytes` takes in a message, in bytes."""
    return (num_bytes + 2) // 3 * 4 + 40  # Base64 and the braces around it.


@contextlib.contextmanager
def connect(endpoint: endpoint_lib.Endpoint) -> Iterator[Callable]:
    """Yields a function from n image files, as bytes, to the outputs by their names.

    It raises RequestError when no answer comes. Each request has a connection of its
    own: servers close those that wait while the next batch is read.
    """
    model = parse.quote(endpoint.model, safe="")
    version = "" if endpoint.version is None else f"/versions/{endpoint.version}"
    path = f"/v1/models/{model}{version}:predict"

    def predict(images: Sequence[bytes]) -> dict[str, np.ndarray]:
        encoded = (base64.b64encode(image).decode("ascii") for image in images)
        instances = [{"image_bytes": {"b64": image}} for image in encoded]
        request = {"signature_name": endpoint.signature, "instances": instances}
        status, body = _post(endpoint, path, json.dumps(request).encode("ascii"))
        return _read_outputs(status, body)

    yield predict


def _post(endpoint, path, body):
    deadline = time.monotonic() + endpoint.timeout_s
    # `http.client`, not `urllib.request`: no proxies and no redirects.
    connection = http.client.HTTPConnection(
        endpoint.address, timeout=endpoint.timeout_s
    )
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, _read_until(response, deadline)
    except TimeoutError as error:
        reason = f"no answer within {endpoint.timeout_s:g} s"
        raise endpoint_lib.RequestError("DEADLINE_EXCEEDED", reason) from error
    # UnicodeError: of a host name that is too long.
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise endpoint_lib.RequestError("UNAVAILABLE", reason) from error
    finally:
        connection.close()


def _read_until(response, deadline):
    """The body; a connection's own time limit holds for each of its pieces only."""
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(body) > _MAX_ANSWER_BYTES:
            raise http.client.HTTPException("the answer has more than 1 GiB")
    if response.length:  # Of what was promised, this many bytes did not come.
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _read_outputs(status, body):
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status != 200:
        reason = answer.get("error") if isinstance(answer, dict) else None
        raise endpoint_lib.RequestError(
            _STATUSES.get(status, f"HTTP status {status}"),
            str(reason or http.client.responses.get(status, "no reason given")),
        )
    rows = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        text = body[:100].decode("utf-8", "replace")
        raise endpoint_lib.RequestError(
            "INTERNAL", f'the answer is no JSON with "predictions": {text!r}'
        )
    # A signature of one output gives its values without a name.
    rows = [row if isinstance(row, dict) else {"": row} for row in rows]
    names = set.intersection(*map(set, rows)) if rows else set()
    # Of ragged lists, an array of objects has the axes along which they are regular.
    return {name: np.array([row[name] for row in rows], object) for name in names}
