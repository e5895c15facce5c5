"""The endpoint of a model server, and its errors in words."""

import dataclasses
import re
from collections.abc import Sequence

from adafilter_tf import errors

PROTOCOLS = {"grpc": 8500, "rest": 8501}  # With TensorFlow Serving's usual port.

_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_MAX_REASON = 400  # Characters; a server may quote the whole request.
_GRAPH_NODES = re.compile(r"\[\[\{\{.*?\}\}\]\]")  # TensorFlow's, of no use here.
_REMEDIES = {
    "DEADLINE_EXCEEDED": "Raise --timeout_s, or lower --batch_size.",
    "FAILED_PRECONDITION": "Check --signature against those that the model has.",
    "INVALID_ARGUMENT": (
        "Check --signature; --signature=serving_default answers for every image that "
        "can be read, whatever is wrong with the others."
    ),
    "NOT_FOUND": "Check --model and --version against what the server has loaded.",
    "RESOURCE_EXHAUSTED": "Lower --max_message_bytes, or --batch_size.",
    "UNAVAILABLE": (
        "Check --address and --protocol, and that the server runs; TensorFlow Serving "
        "listens for gRPC at port 8500 and for REST at 8501."
    ),
}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A signature of a model on a server.

    Attributes:
        address: `host:port`. Connections are direct, without a proxy, and not
            encrypted: for a server elsewhere, put a tunnel before it.
        protocol: A key of `PROTOCOLS`.
        model: Its name on the server.
        version: None for the newest.
        signature: Of string [n], the bytes of image files, as `image_bytes`.
        timeout_s: Of one request, in seconds.

    Raises:
        errors.UsageError: The address is none.
    """

    address: str
    protocol: str
    model: str
    version: int | None
    signature: str
    timeout_s: float

    def __post_init__(self):
        """Checks what a protocol could take for something else."""
        match = _ADDRESS.fullmatch(self.address)
        if not match or not 0 < int(match[2]) < 2**16:
            raise errors.UsageError(
                f"Received --address={self.address}; allowed is host:port, such as "
                f"127.0.0.1:{PROTOCOLS[self.protocol]}, without http://."
            )
        if not self.model or re.search(r"[/:\s]", self.model):
            raise errors.UsageError(
                f"Received --model={self.model}; allowed is a name without '/', ':' "
                "and spaces, as the server was given it."
            )

    def __str__(self):
        """Address, model, version and signature, as a part of a sentence."""
        version = "newest" if self.version is None else self.version
        return (
            f"{self.address} ({self.protocol}), model {self.model}, version "
            f"{version}, signature {self.signature}"
        )


class RequestError(Exception):
    """A request without a usable answer; `explain` makes it one line.

    Args:
        status: Name of the gRPC status code, or the nearest to it.
        reason: What the server or the connection says.
    """

    def __init__(self, status: str, reason: str):
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


def explain(
    error: RequestError, endpoint: Endpoint, paths: Sequence[str]
) -> errors.RunError:
    """One line with what was asked of whom, the answer and the remedy.

    Args:
        error: Of one request.
        endpoint: To whom it went.
        paths: The images that were in it.
    """
    images = paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}"
    reason = _GRAPH_NODES.sub(" ", error.reason)
    # What answers may be no model server: no control characters to the terminal.
    printable = "".join(c if c.isprintable() else " " for c in reason)
    reason = " ".join(printable.split())
    if len(reason) > _MAX_REASON:
        reason = f"{reason[:_MAX_REASON]}..."
    remedy = _REMEDIES.get(error.status, "The server's log may say more.")
    return errors.RunError(
        f"{endpoint}: {error.status} for {images}: {reason.rstrip(' .')}. {remedy}"
    )
