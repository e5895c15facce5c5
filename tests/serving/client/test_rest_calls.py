"""Answers that no TensorFlow Serving gives, and connections that end."""

import json
import math
import socket
import threading

import pytest

from adafilter_tf import client, errors
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import predict as predict_lib
from adafilter_tf.serving.client import rest_calls

REST = {"protocol": "rest", "model": "m", "version": None, "signature": "s"}
ROW = {"top_k_classes": ["red", "blue"], "top_k_scores": [0.75, 0.25]}
NEEDED = (
    "needed are top_k_classes and top_k_scores [n, k], or classes [n] and "
    "probabilities [n, K], of each of n images"
)


@pytest.mark.parametrize("num_bytes", [0, 1, 2, 3, 1000])
def test_rest_instance_is_not_larger_than_said(num_bytes):
    encoded = "x" * (4 * math.ceil(num_bytes / 3))

    size = len(json.dumps({"image_bytes": {"b64": encoded}}) + ", ")
    assert size <= rest_calls.wire_size(num_bytes) <= size + 10


@pytest.fixture
def answer():
    """Starts a server of one connection per given HTTP answer; gives its address."""
    sockets = []

    def start(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve():
            for text in answers:
                connection = listener.accept()[0]
                request = b""
                while not request.endswith(b"}]}"):
                    request += connection.recv(2**16)
                connection.sendall(text.encode())
                connection.close()
            listener.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in sockets:
        listener.close()


def http_answer(body, status="200 OK", length=None):
    length = len(body.encode()) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"


GOOD = http_answer(json.dumps({"predictions": [ROW]}))


def write_pngs(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    return [str(folder / name) for name in names]


def predict(paths, address):
    endpoint = endpoint_lib.Endpoint(address, **REST, timeout_s=300)
    return predict_lib.predict_paths(
        paths, endpoint, batch_size=1, max_message_bytes=2**20, top_k=3
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (http_answer("<html>"), """INTERNAL for {path}: the answer is no JSON with """
         """"predictions": '<html>'. The server's log may"""),
        (http_answer("[" * 10**5), "INTERNAL for {path}: the answer is no JSON"),
        (http_answer('{"predictions": 3}'), "INTERNAL for {path}: the answer is no"),
        (http_answer("{}", "500 Oops"), "HTTP status 500 for {path}: Internal Server"),
        (http_answer('{"error": "a\\n\\u001b[0mb"}', "404 N"), "NOT_FOUND for {path}: "
         "a [0mb. Check --model"),
        (http_answer("", "429 N"), "RESOURCE_EXHAUSTED for {path}: Too Many Requests. "
         "Lower --max_message_bytes, or"),
        (http_answer("{", length=9), "UNAVAILABLE for {path}: IncompleteRead: Incomple"
         "teRead(1 bytes read, 8 more expected)."),
        ("", "UNAVAILABLE for {path}: RemoteDisconnected: Remote end closed"),
        (http_answer('{"predictions": [[0.1, 0.9]]}'), "The server answered 1 images "
         "with the outputs one without a name [1, 2]; " + NEEDED),
        (http_answer('{"predictions": []}'), "with the outputs (none); " + NEEDED),
        (http_answer(json.dumps({"predictions": [ROW, ROW]})), "1 images with the out"
         "puts top_k_classes [2, 2], top_k_scores [2, 2]; " + NEEDED),
        (http_answer(json.dumps({"predictions": [{**ROW, "valid": "no"}]})), "top_k_sco"
         "res [1, 2], valid [1]; " + NEEDED),
        (http_answer('{"predictions": [{"classes": "a", "probabilities": "b"}]}'),
         "classes [1], probabilities [1]; " + NEEDED),
    ],
)  # fmt: skip
def test_other_answers_are_one_line(tmp_path, answer, text, message):
    path = write_pngs(tmp_path, "a")[0]
    with pytest.raises(errors.RunError) as raised:
        list(predict([path], answer(text)))
    assert message.format(path=path) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_other_number_of_classes_midway_is_refused(tmp_path, answer):
    paths = write_pngs(tmp_path, "a", "b")
    narrow = {"top_k_classes": ["red"], "top_k_scores": [0.75]}
    address = answer(GOOD, http_answer(json.dumps({"predictions": [narrow]})))
    with pytest.raises(errors.RunError) as raised:
        list(predict(paths, address))
    assert str(raised.value) == (
        f"{address} (rest), model m, version newest, signature s: 2 classes per image "
        f"and, from {paths[1]} on, 1; the server changed the model. Start again, with "
        "--version."
    )


def test_server_lost_midway_keeps_the_file_before_and_says_where_the_rows_are(
    tmp_path, answer
):
    paths = write_pngs(tmp_path, "a", "b")
    (tmp_path / "p.csv").write_text("before")
    with pytest.raises(errors.RunError) as raised:
        client.save(predict(paths, answer(GOOD)), str(tmp_path / "p.csv"))
    assert f"UNAVAILABLE for {paths[1]}: " in str(raised.value)
    assert str(raised.value).endswith(f" The rows before are in {tmp_path}/p.csv.tmp.")
    assert (tmp_path / "p.csv").read_text() == "before"
    assert (tmp_path / "p.csv.tmp").read_text() == (
        f"path,class,probability,class_2,probability_2,error\n{paths[0]},red,0.75,"
        "blue,0.25,\n"
    )


def test_server_lost_before_the_first_row_leaves_nothing(tmp_path, answer):
    paths = write_pngs(tmp_path, "a")
    with pytest.raises(errors.RunError, match="UNAVAILABLE for .* REST at 8501.$"):
        client.save(predict(paths, answer("")), str(tmp_path / "p.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
