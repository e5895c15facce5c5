"""A real export behind a model server in another process, asked by the real client."""

import base64
import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

import keras
import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import export, prediction
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import adafilter
from adafilter_tf.prediction import image_files
from tests.conftest import tiny_resnet
from tests.tools import prediction_servicer

ROOT = pathlib.Path(__file__).parents[2]
NAMES = ("rosé", "daisy", "wild tulip")
SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The model, the ports of its server and a folder of images, two of them broken."""
    root = tmp_path_factory.mktemp("served")
    keras.utils.set_random_seed(0)
    model = adafilter.build(tiny_resnet(), 3)
    kernel = model.get_layer("head").kernel
    kernel.assign(kernel / 100)  # No saturated probabilities.
    export.export_saved_model(model, str(root / "export"), SPEC, class_names=NAMES)
    rng = np.random.default_rng(0)
    (root / "images").mkdir()
    for index in range(6):
        pixels = rng.integers(0, 256, (20, 30, 3), np.uint8)
        encoded = tf.io.encode_jpeg(pixels).numpy()
        encoded = encoded[:300] if index in (1, 4) else encoded
        (root / f"images/{index}.jpg").write_bytes(encoded)
    with prediction_servicer.start(root / "export", "adafilter") as ports:
        yield model, ports, root / "images"


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_client_gets_what_prediction_gives(served, tmp_path, protocol):
    model, ports, images = served
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "adafilter_tf.client",
            f"--address=127.0.0.1:{ports[protocol]}",
            f"--protocol={protocol}",
            f"--images={images}",
            f"--predictions={tmp_path / 'rows.csv'}",
            "--batch_size=4",
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "rows.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = list(
        prediction.predict_paths(
            model,
            image_files.list_images([str(images)]),
            SPEC,
            class_names=NAMES,
            batch_size=4,
        )
    )
    assert [row["path"] for row in rows] == [of.path for of in expected]
    for row, of in zip(rows, expected, strict=True):
        assert bool(row["error"]) == bool(of.error)
        if not of.error:
            assert row["class"] == of.classes[0]
            probability = float(row["probability"])
            assert probability == pytest.approx(of.probabilities[0], abs=1e-6)
    assert [bool(row["error"]) for row in rows] == [0, 1, 0, 0, 1, 0]


def documented_command(start):
    """The command of the page on serving that begins so, with its continued lines."""
    text = (ROOT / "docs/serving.md").read_text("utf-8")
    command = re.search(rf"^{start}(.*\\\n)*.*$", text, re.MULTILINE)
    assert command is not None
    return command[0]


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("index", [0, 1])
def test_documented_curl_line_gets_strict_json(served, index):
    model, ports, images = served
    command = documented_command("curl --data").replace("8501", str(ports["rest"]))
    command = command.replace("a.jpg", str(images / f"{index}.jpg"))
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60
    )
    # As node, browsers and Go read it: without NaN and Infinity.
    answer = json.loads(done.stdout, parse_constant=refuse_constant)
    (row,) = answer["predictions"]
    (expected,) = prediction.predict_paths(
        model, [images / f"{index}.jpg"], SPEC, class_names=NAMES, batch_size=1
    )
    assert row["valid"] == (expected.error is None)
    assert row["classes"] == expected.classes[0]
    assert bool(row["error"]) == bool(expected.error)


def test_base64_text_alone_gets_a_clear_error(served):
    _, ports, images = served
    text = base64.b64encode((images / "0.jpg").read_bytes()).decode()
    body = json.dumps({"instances": [{"image_bytes": text}]}).encode()
    url = f"http://127.0.0.1:{ports['rest']}/v1/models/adafilter:predict"
    with urllib.request.urlopen(url, body, timeout=60) as response:
        (row,) = json.load(response)["predictions"]
    assert not row["valid"] and '{"b64": "..."}' in row["error"]
