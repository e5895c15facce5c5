"""TensorFlow Serving's REST calls on a SavedModel whose answers are known by hand."""

import base64
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf.serving import rest, served_model
from tests.tools import served_colours

RED, BLUE = (200, 0, 0), (5, 10, 250)
PREDICT = "/v1/models/colours:predict"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return served_model.ServedModel(served_colours.save(folder, 12), "colours")


def b64(colour):
    return {"b64": base64.b64encode(served_colours.png(colour)).decode()}


def ask(served, request, path=PREDICT, method="POST"):
    """The status and the answer, read as browsers and Go read JSON."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    answer = rest.answer(served, method, path, body)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return answer.status, json.loads(answer.body, parse_constant=refuse)


def test_rows_have_the_probabilities_by_hand(served):
    rows = [{"image_bytes": b64(colour)} for colour in (RED, BLUE)]
    status, answer = ask(served, {"instances": rows})
    assert status == 200 and answer.keys() == {"predictions"}
    for row, colour, name in zip(
        answer["predictions"], (RED, BLUE), ("rosé", "wild tulip"), strict=True
    ):
        expected = served_colours.probabilities(colour)
        np.testing.assert_allclose(row["probabilities"], expected, rtol=1e-6)
        assert row["classes"] == row["top_k_classes"][0] == name
        assert row["valid"] is True


@pytest.mark.parametrize(
    "request_of",
    [
        lambda images: {"instances": images},
        lambda images: {"instances": [{"image_bytes": each} for each in images]},
        lambda images: {"inputs": images},
        lambda images: {"inputs": {"image_bytes": images}},
    ],
    ids=["bare rows", "rows", "bare columns", "columns"],
)
def test_formats_of_a_request_give_the_same_numbers(served, request_of):
    request = {**request_of([b64(RED), b64(BLUE)]), "signature_name": "old"}
    status, answer = ask(served, request)
    assert status == 200
    if "inputs" in request:
        columns = answer["outputs"]
    else:
        rows = answer["predictions"]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert columns.keys() == {"classes", "probabilities"}
    assert columns["classes"] == ["rosé", "wild tulip"]
    expected = [served_colours.probabilities(colour) for colour in (RED, BLUE)]
    np.testing.assert_allclose(columns["probabilities"], expected, rtol=1e-6)


def test_number_that_json_cannot_say_is_refused_by_name(served):
    # This model has NaN for a broken image; exports have zeros.
    status, answer = ask(served, {"instances": [{"b64": ""}]})
    assert status == 500
    outputs = "logits|probabilities|top_k_scores"
    assert re.fullmatch(f"The model's ({outputs}) is not finite", answer["error"])


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        (b"", "JSON Parse error: Expecting value"),
        (b"\xff", "JSON Parse error: "),
        (b"[" * 10**5, "JSON Parse error: "),
        (b'{"instances": [NaN]}', "JSON Parse error: NaN is no number of JSON"),
        ([], "JSON Value: the request is no object"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": [], "instances": []}, "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": {}}, "No values in 'instances' array"),
        (
            {"instances": [{"image": "a"}]},
            "Input image_bytes: {'image': 'a'} is not of",
        ),
        ({"instances": [{"image_bytes": "a"}, "b"]}, "Instance 1 needs the keys image"),
        (
            {"instances": [{"image_bytes": 3}]},
            "Input image_bytes: 3 is not of expected",
        ),
        ({"instances": [{"b64": "*"}]}, "Input image_bytes: b64 is no base64: "),
        ({"instances": [{"b64": 3}]}, "Input image_bytes: b64 is no base64: "),
        ({"instances": [["a"]]}, "Input image_bytes has the shape [1, 1]; needed is"),
        ({"inputs": "a"}, "Input image_bytes has the shape []; needed is (None,)"),
        ({"inputs": {"image": ["a"]}}, "'inputs' needs the keys image_bytes alone"),
        ({"instances": ["a"] * 257}, "Received 257 images; send at most 256"),
        (
            {"instances": ["a"], "signature_name": "no"},
            'signature name: "no" not found',
        ),
        ({"instances": ["a"], "signature_name": ["no"]}, "not found in signature def"),
        (
            {"instances": ["a"], "signature_name": "strict"},
            "Unknown image file format. One of JPEG",
        ),
    ],
)
def test_wrong_request_is_400_with_its_reason(served, request_body, message):
    status, answer = ask(served, request_body)
    assert (status, [*answer]) == (400, ["error"])
    assert message in answer["error"] and len(answer["error"]) < 500


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("POST", "/v1/models/other:predict", "not found for request: Latest(other)"),
        ("POST", "/v1/models/colours/versions/7:predict", "Specific(colours, 7)"),
        ("GET", "/v1/models/other", "Servable not found for request: Latest(other)"),
        ("GET", PREDICT, f"Malformed request: GET {PREDICT}"),
        ("POST", "/v1/models/colours:classify", "Malformed request: POST /v1/models/c"),
        ("GET", "/", "Malformed request: GET /"),
    ],
)
def test_what_is_not_served_is_404(served, method, path, message):
    status, answer = ask(served, {"instances": [b64(RED)]}, path, method)
    assert status == 404 and message in answer["error"]


@pytest.mark.parametrize("version", ["", "/versions/12"])
def test_status_is_that_of_tensorflow_serving(served, version):
    assert ask(served, b"", f"/v1/models/colours{version}", "GET") == (
        200,
        {
            "model_version_status": [
                {
                    "version": "12",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )


def test_metadata_has_the_signatures(served):
    status, answer = ask(served, b"", "/v1/models/colours/metadata", "GET")
    assert status == 200
    assert answer["model_spec"] == {
        "name": "colours",
        "signature_name": "",
        "version": "12",
    }
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures.keys() >= {"serving_default", "strict", "gates", "old"}
    assert signatures["old"]["method_name"] == "tensorflow/serving/predict"
    (shape,) = signatures["old"]["inputs"]["image_bytes"]["tensor_shape"]["dim"]
    assert shape["size"] == "-1"


def test_numbers_of_an_input_are_checked():
    spec = tf.TensorSpec([None, 2], tf.float32)
    found = rest.to_array("x", [[1, 2.5]], spec)
    assert found.dtype == np.float32 and found.tolist() == [[1, 2.5]]
    for values, message in (
        ([[1, 2], [3]], "Input x: "),
        ([[1, 1e39]], "Input x has a value that is not finite"),
        ([[1, None]], "Input x"),
        ([1, 2], r"Input x has the shape \[2\]; needed is \(None, 2\)"),
    ):
        with pytest.raises(rest.RequestError, match=message) as caught:
            rest.to_array("x", values, spec)
        assert caught.value.status == 400
