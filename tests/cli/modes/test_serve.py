"""--mode=serve: the client of TensorFlow Serving against the real command."""

import csv
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from adafilter_tf import errors, export, prediction
from adafilter_tf.cli.modes import serve
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.files import model_file
from adafilter_tf.runs import run_dir
from adafilter_tf.serving import rest
from tests import command_line, run_folders
from tests.tools import served_colours

ROOT = pathlib.Path(__file__).parents[3]
SPEC = ImageSpec(image_size=16, channels=3, crop_fraction=1.0)
NAMES = tuple(run_folders.COLOURS)
needs_packages = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))),
    reason="needs starlette and uvicorn (requirements-dev.txt)",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A finished run with two exports, and images of which one is broken."""
    root = tmp_path_factory.mktemp("exported")
    folder = run_folders.make_run(root, "--crop_fraction=1.0", method="fine_tuning")
    # Not `run_export`: its card needs the metrics of a training.
    export.export_saved_model(
        model_file.load_model(folder.model),
        str(folder.export),
        SPEC,
        class_names=NAMES,
    )
    shutil.copytree(folder.export / "1", folder.export / "2")
    run_folders.make_images(root / "photos", number=1)
    (root / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder, root / "photos"


def test_newest_export_or_the_named_one_is_served(tmp_path):
    folder = run_dir.RunDir(tmp_path / "run")
    with pytest.raises(errors.RunError, match="has no export: write one with `adafil"):
        serve.choose_export(folder, None)
    for version in (1, 2, 10):
        served_colours.save(folder.export, version)
    assert serve.choose_export(folder, None) == folder.export / "10"
    assert serve.choose_export(folder, 1) == folder.export / "1"
    with pytest.raises(errors.RunError, match="--export_version=7; .* has 1, 2, 10.$"):
        serve.choose_export(folder, 7)
    (folder.export / "10/saved_model.pb").unlink()
    with pytest.raises(errors.RunError, match="10 is damaged .saved_model.pb"):
        serve.choose_export(folder, None)


def test_flags_of_other_modes_are_refused(capfd, tmp_path):
    given = ["--mode=evaluate", f"--output_dir={tmp_path}"]
    for flag in ("--port=80", "--host=::1"):
        result = command_line.call(capfd, *given, flag)
        command_line.assert_error(
            result,
            2,
            "has no effect in --mode=evaluate",
            "--mode=serve and --mode=demo",
        )
    given[0] = "--mode=demo"
    result = command_line.call(capfd, *given, "--export_version=1")
    command_line.assert_error(
        result, 2, "--export_version has no effect in --mode=demo"
    )


@needs_packages
def test_port_in_use_is_one_line_and_exit_code_1(capfd, fine_tuned):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = command_line.call(
            capfd, "--mode=serve", f"--output_dir={fine_tuned.root}", f"--port={port}"
        )
    command_line.assert_error(result, 1, f"--port={port} of 127.0.0.1 is in use")


def start(folder, *arguments):
    """The command, and the lines that it printed until it was ready."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            # Tests that a shell runs in the background inherit that SIGINT is ignored.
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "import runpy; runpy.run_module('adafilter_tf.run', run_name='__main__')",
            "--mode=serve",
            f"--output_dir={folder.root}",
            "--port=0",
            *arguments,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(4)]
    return process, "".join(lines)


@pytest.fixture(scope="module")
def served(exported):
    process, text = start(exported[0])
    url = re.search(r"http://\S+/v1/models/adafilter", text)
    assert url, text + process.stderr.read()
    yield process, url[0], text
    process.kill()
    process.communicate()


def ask(url, body=None):
    try:
        with urllib.request.urlopen(url, body, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@needs_packages
@pytest.mark.slow  # three processes
def test_client_and_curl_get_what_prediction_gives(exported, served, tmp_path):
    folder, photos = exported
    process, url, printed = served
    paths = sorted(map(str, photos.glob("**/*.*g")))
    expected = list(
        prediction.predict_paths(
            model_file.load_model(folder.model),
            paths,
            SPEC,
            class_names=NAMES,
            batch_size=4,
            top_k=3,
        )
    )
    address = re.search(r"//([\d.:]+)/", url)[1]
    done = subprocess.run(
        [sys.executable, "-m", "adafilter_tf.client", "--protocol=rest"]
        + [f"--address={address}", f"--images={photos}"]
        + [f"--predictions={tmp_path / 'rows.csv'}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "rows.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == paths
    for row, of in zip(rows, expected, strict=True):
        assert bool(row["error"]) == bool(of.error)
        if not of.error:
            assert row["class"] == of.classes[0]
            found = float(row["probability"])
            assert found == pytest.approx(of.probabilities[0], abs=1e-5)
    assert ask(url)[1]["model_version_status"][0]["version"] == "2"
    if shutil.which("curl"):
        command = printed[printed.index("curl") :].replace("a.jpg", paths[-1])
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True
        )
        (row,) = json.loads(done.stdout)["predictions"]
        assert row["classes"] == expected[-1].classes[0] and row["valid"]


@needs_packages
@pytest.mark.slow
def test_wrong_and_large_requests_are_json_and_sigterm_ends_in_0(served):
    process, url, _ = served
    assert ask(f"{url}:predict", b"{")[0] == 400
    assert ask(url.replace("adafilter", "other"))[0] == 404
    status, answer = ask(f"{url}:predict", b" " * (rest.MAX_BODY_BYTES + 1))
    assert (status, [*answer]) == (413, ["error"])
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err


@needs_packages
@pytest.mark.slow
def test_ctrl_c_ends_in_130_without_traceback(exported):
    process, _ = start(exported[0], "--export_version=1")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted." and "Traceback" not in err
