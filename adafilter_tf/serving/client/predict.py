"""Rows of predictions from a model server, whatever its protocol."""

from collections.abc import Iterator, Sequence

from adafilter_tf import errors
from adafilter_tf.prediction import Prediction
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import grpc_calls, rest_calls
from adafilter_tf.serving.client import rows as rows_lib

_PROTOCOLS = {"grpc": grpc_calls, "rest": rest_calls}
# Of a request, for the names in it.
_HEAD_BYTES = 1024


def predict_paths(
    paths: Sequence[str],
    endpoint: endpoint_lib.Endpoint,
    *,
    batch_size: int,
    max_message_bytes: int,
    top_k: int,
) -> Iterator[Prediction]:
    """Yields one row per path, in order, from one request per batch.

    Args:
        paths: JPEG or PNG files.
        endpoint: Who is asked.
        batch_size: The most images in a request.
        max_message_bytes: The most bytes in a request.
        top_k: How many classes a row gives; fewer if the server gives fewer.

    Raises:
        errors.RunError: No usable answer; the line names the images and the remedy.
    """
    protocol = _PROTOCOLS[endpoint.protocol]
    num_classes = None
    with protocol.connect(endpoint) as predict:
        for batch in rows_lib.read_batches(
            paths,
            batch_size=batch_size,
            max_bytes=max_message_bytes - _HEAD_BYTES,
            wire_size=protocol.wire_size,
        ):
            rows = _ask(predict, endpoint, batch, top_k)
            if num_classes not in (None, len(rows[0].classes)):
                raise errors.RunError(
                    f"{endpoint}: {num_classes} classes per image and, from "
                    f"{batch[0][0]} on, {len(rows[0].classes)}; the server changed the "
                    "model. Start again, with --version."
                )
            num_classes = len(rows[0].classes)
            yield from rows


def _ask(predict, endpoint, batch, top_k):
    sent = [image for image in batch if isinstance(image[1], bytes)]
    if not sent:  # Then none of the files can be sent, and the server is not asked.
        return [rows_lib.make_error_row(path, reason, top_k) for path, reason in batch]
    try:
        outputs = predict([content for _, content in sent])
    except endpoint_lib.RequestError as error:
        raise endpoint_lib.explain(
            error, endpoint, [path for path, _ in sent]
        ) from error
    return rows_lib.make_rows(batch, outputs, top_k)
