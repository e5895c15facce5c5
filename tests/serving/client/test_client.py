"""The client against a server that is another process, by both protocols."""

import csv
import http.client
import json
import re
import socket
import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from adafilter_tf import errors
from adafilter_tf.serving.client import endpoint as endpoint_lib
from adafilter_tf.serving.client import predict as predict_lib
from tests.tools import prediction_servicer, served_colours

COLOURS = {"a.png": (200, 0, 0), "b.png": (0, 200, 10), "c.png": (5, 10, 250)}
UNREADABLE = "the server could not read it"

by_protocol = pytest.mark.parametrize("protocol", endpoint_lib.PROTOCOLS)


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    served_colours.save(folder, 10)
    (folder / "9").mkdir()  # Older, though not in the order of the alphabet.
    return folder


@pytest.fixture(scope="module")
def ports(export_dir):
    with prediction_servicer.start(export_dir, "adafilter") as ports:
        yield ports


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        (folder / name).write_bytes(served_colours.png(colour))
    (folder / "half.png").write_bytes(served_colours.png((9, 9, 9))[:-20])
    (folder / "text.jpg").write_text("<html>")
    return folder


def predict(port, paths, *, protocol="grpc", batch_size=16, timeout_s=300, **options):
    spec = {"model": "adafilter", "version": None, "signature": "serving_default"}
    endpoint = endpoint_lib.Endpoint(
        f"127.0.0.1:{port}", protocol, **{**spec, **options}, timeout_s=timeout_s
    )
    return list(
        predict_lib.predict_paths(
            [str(path) for path in paths],
            endpoint,
            batch_size=batch_size,
            max_message_bytes=2**20,
            top_k=3,
        )
    )


def run_command(*arguments):
    command = [sys.executable, "-m", "adafilter_tf.client", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@by_protocol
def test_command_gives_the_rows_of_the_model(ports, export_dir, photos, protocol):
    predictions = photos.parent / f"{protocol}.csv"
    arguments = [f"--protocol={protocol}", f"--address=127.0.0.1:{ports[protocol]}"]
    files = [f"--images={photos}", f"--predictions={predictions}"]
    result = run_command(*arguments, *files, "--batch_size=2")
    assert result.returncode == 0, result.stderr

    serve = tf.saved_model.load(str(export_dir / "10")).signatures["serving_default"]
    images = [(photos / name).read_bytes() for name in COLOURS]
    outputs = serve(image_bytes=tf.constant(images))
    rows = list(csv.reader(predictions.read_text("utf-8").splitlines()))
    header = "path,class,probability,class_2,probability_2,error"
    assert rows[0] == header.split(",")
    for k, (row, name) in enumerate(zip(rows[1:4], COLOURS, strict=True)):
        first, second = (str(n, "utf-8") for n in outputs["top_k_classes"][k].numpy())
        scores = [f"{score:.6g}" for score in outputs["top_k_scores"][k].numpy()]
        assert row == [str(photos / name), first, scores[0], second, scores[1], ""]
    reason = "an HTML or SVG text; only JPEG and PNG are supported"
    assert rows[4:] == [
        [str(photos / "half.png"), "", "", "", "", UNREADABLE],
        [str(photos / "text.jpg"), "", "", "", "", reason],
    ]


@by_protocol
@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_probabilities_by_hand_whatever_the_batch_size(
    ports, photos, protocol, batch_size
):
    paths = [photos / name for name in ("half.png", *COLOURS)]
    broken, *rows = predict(
        ports[protocol], paths, protocol=protocol, batch_size=batch_size
    )

    assert (broken.error, broken.classes) == (UNREADABLE, ("", ""))
    assert np.isnan(broken.probabilities).all()
    for row, colour in zip(rows, COLOURS.values(), strict=True):
        expected = served_colours.probabilities(colour)
        best = np.argsort(-expected)[:2]
        assert row.classes == tuple(served_colours.NAMES[k] for k in best)
        # float32 of a softmax.
        np.testing.assert_allclose(row.probabilities, expected[best], rtol=1e-6)
        assert row.error is None


@by_protocol
def test_signature_without_top_k_gives_one_class(ports, photos, protocol):
    path = photos / "a.png"
    row = predict(ports[protocol], [path], protocol=protocol, signature="old")[0]

    assert row.classes == ("rosé",)
    expected = served_colours.probabilities(COLOURS["a.png"]).max()
    assert row.probabilities == pytest.approx([expected], rel=1e-6)


@by_protocol
def test_strict_refuses_a_batch_with_a_broken_image(ports, photos, protocol):
    options = {"protocol": protocol, "signature": "strict"}
    good = [photos / name for name in COLOURS]
    assert predict(ports[protocol], good, **options) == predict(ports["grpc"], good)

    half = photos / "half.png"
    with pytest.raises(errors.RunError) as raised:
        predict(ports[protocol], [good[0], half], **options)
    assert str(raised.value) == (
        f"127.0.0.1:{ports[protocol]} ({protocol}), model adafilter, version newest, "
        f"signature strict: INVALID_ARGUMENT for {good[0]} to {half}: "
        f"Invalid PNG data, size {half.stat().st_size}. Check --signature; "
        "--signature=serving_default answers for every image that can be read, "
        "whatever is wrong with the others."
    )


@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("grpc", {"model": "other"}, "model other, version newest, signature serving_"
         "default: NOT_FOUND for {path}: Servable not found for request: Latest(other)"
         ". Check --model and --version against what the server has loaded."),
        ("rest", {"model": "other"}, "NOT_FOUND for {path}: Servable not found for "
         "request: Latest(other). Check --model and --version"),
        ("grpc", {"version": 7}, "version 7, signature serving_default: NOT_FOUND for "
         "{path}: Servable not found for request: Specific(adafilter, 7). Check --mod"),
        ("rest", {"version": 7}, "version 7, signature serving_default: NOT_FOUND for "
         "{path}: Servable not found for request: Specific(adafilter, 7). Check --mod"),
        ("grpc", {"signature": "nope"}, "signature nope: FAILED_PRECONDITION for "
         '{path}: Serving signature key "nope" not found. Check --signature against'),
        ("rest", {"signature": "nope"}, "signature nope: INVALID_ARGUMENT for {path}: "
         'Serving signature name: "nope" not found in signature def. Check --signatu'),
        ("grpc", {"signature": "gates"}, "The server answered 1 images with the "
         "outputs conv1 [1, 8], valid [1]; needed are top_k_classes and top_k_scores"),
    ],
)  # fmt: skip
def test_what_the_server_lacks_is_named(ports, photos, protocol, options, message):
    path = photos / "a.png"
    with pytest.raises(errors.RunError) as raised:
        predict(ports[protocol], [path], protocol=protocol, **options)
    assert message.format(path=path) in str(raised.value)


@by_protocol
def test_the_version_that_is_loaded_answers(ports, photos, protocol):
    options = {"protocol": protocol, "version": 10}
    assert predict(ports[protocol], [photos / "a.png"], **options)[0].error is None


@by_protocol
def test_port_of_the_other_protocol_is_one_line(ports, photos, protocol):
    other = next(port for name, port in ports.items() if name != protocol)
    with pytest.raises(
        errors.RunError,
        match=r"^127.0.0.1:\d+ .* UNAVAILABLE for .* Check --address and --protocol, ",
    ) as raised:
        predict(other, [photos / "a.png"], protocol=protocol)
    assert str(raised.value).isprintable()


@by_protocol
def test_silent_server_is_not_awaited_for_ever(photos, protocol):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(
            errors.RunError, match="DEADLINE_EXCEEDED for .*Raise --timeout_s, or lower"
        ):
            port = listener.getsockname()[1]
            predict(port, [photos / "a.png"], protocol=protocol, timeout_s=0.3)


def test_unreachable_server_is_one_line_and_exit_code_1(photos, tmp_path):
    path = tmp_path / "p.csv"
    arguments = [f"--images={photos}/a.png", f"--predictions={path}"]
    result = run_command("--address=127.0.0.1:1", *arguments)

    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("client: 127.0.0.1:1 (grpc), model adafilter, version")
    assert f"UNAVAILABLE for {photos}/a.png: failed to connect to all" in line
    assert not list(tmp_path.iterdir())


def test_unknown_flag_is_one_line_and_exit_code_2():
    result = run_command("--adress=127.0.0.1:1")

    assert result.returncode == 2
    assert result.stderr == (
        "client: Unknown command line flag 'adress'. Did you mean: address ? "
        "See --help.\n"
    )


def call(port, tensor, signature="strict"):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "adafilter"
    request.model_spec.signature_name = signature
    request.inputs["image_bytes"].CopyFrom(tensor)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return stub.Predict(request, timeout=300)


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (tf.make_tensor_proto([1.0]), "float"),
        (tf.make_tensor_proto([[served_colours.png((1, 2, 3))]]), "shape"),
        # Two operations refuse a scalar; which of them is heard first is chance.
        (
            tf.make_tensor_proto(served_colours.png((1, 2, 3))),
            "out of bounds|at least a vector",
        ),
    ],
    ids=["dtype", "rank 2", "rank 0"],
)
def test_servicer_refuses_other_inputs(ports, tensor, reason):
    with pytest.raises(grpc.RpcError) as raised:
        call(ports["grpc"], tensor)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(reason, raised.value.details())


def test_servicer_answers_an_empty_batch_by_grpc_alone(ports):
    empty = tf.make_tensor_proto(np.zeros(0, object), tf.string, [0])
    response = call(ports["grpc"], empty)
    assert tf.make_ndarray(response.outputs["probabilities"]).shape == (0, 3)
    assert response.model_spec.version.value == 10

    connection = http.client.HTTPConnection("127.0.0.1", ports["rest"], timeout=300)
    body = json.dumps({"signature_name": "strict", "instances": []})
    connection.request("POST", "/v1/models/adafilter:predict", body)
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read()) == {"error": "No values in 'instances' array"}
