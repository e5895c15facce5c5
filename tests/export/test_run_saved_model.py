"""An export loaded and run by a C program: TensorFlow's loader and kernels, no Python.

The program is compiled against the headers and libraries that come in TensorFlow's
wheel.
"""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from adafilter_tf import export
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import adafilter
from tests import conftest

NAMES = ("rosé", "daisy", "wild tulip")
SIZES = ((30, 20), (17, 40), (8, 8), (5, 7))
SOURCE = pathlib.Path(__file__).with_name("run_saved_model.c")
COMPILER = shutil.which("cc")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        COMPILER is None, reason="needs a C compiler named cc in the PATH"
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("program") / "run_saved_model")
    libraries = tf.sysconfig.get_lib()
    command = [COMPILER, "-std=c11", "-Wall", "-Wextra", "-Werror", str(SOURCE)]
    command += ["-o", path, f"-I{tf.sysconfig.get_include()}", f"-L{libraries}"]
    command += ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    command += [f"-Wl,-rpath,{libraries}"]
    subprocess.run(command, check=True, timeout=600)
    return path


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    backbone = conftest.tiny_resnet()
    stem = backbone.get_layer("stem_conv")
    stem.kernel.assign(stem.kernel / 128)  # Of pixels: no saturated probabilities.
    model = adafilter.build(backbone, 3, gate_units=4)
    return export.export_saved_model(
        model,
        str(tmp_path_factory.mktemp("export")),
        ImageSpec(image_size=8, channels=3, crop_fraction=0.875),
        class_names=NAMES,
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    paths = []
    for i, size in enumerate(SIZES):
        encode = (tf.io.encode_png, tf.io.encode_jpeg)[i % 2]
        paths.append(str(folder / str(i)))
        image = generator.integers(0, 256, (*size, 3), np.uint8)
        tf.io.write_file(paths[-1], encode(image))
    return paths


def tensor_names(version, *outputs):
    """The names in the graph of `image_bytes` and of outputs of `serving_default`."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((pathlib.Path(version) / "saved_model.pb").read_bytes())
    signature = saved_model.meta_graphs[0].signature_def["serving_default"]
    named = [signature.inputs["image_bytes"], *(signature.outputs[o] for o in outputs)]
    return [tensor.name for tensor in named]


def run(program, version, paths, *outputs):
    return run_tensors(program, version, tensor_names(version, *outputs), paths)


def run_tensors(program, version, names, paths):
    # Without an environment: no PYTHONPATH, no virtual environment.
    environment = {"PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.run(
        [program, version, *names, "--", *paths],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        env=environment,
    )


def test_gives_what_the_signature_gives_in_python(program, version, paths):
    done = run(program, version, paths, "classes", "probabilities")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]

    loaded = tf.saved_model.load(version)
    encoded = tf.stack([tf.io.read_file(path) for path in paths])
    expected = loaded.signatures["serving_default"](image_bytes=encoded)
    classes = [name.decode() for name in expected["classes"].numpy()]
    assert [name for name, _ in lines] == classes
    probabilities = [np.array(row.split(), np.float64) for _, row in lines]
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-6)
    # Different answers: the images reach the model, each in its own row.
    assert np.ptp(probabilities, axis=0).max() > 1e-3


def test_broken_image_costs_only_its_own_row(program, version, paths, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(pathlib.Path(paths[0]).read_bytes()[:40])
    outputs = ("valid", "classes", "probabilities")
    done = run(program, version, [paths[0], str(broken), *paths[1:]], *outputs)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["1", "0", "1", "1", "1"]
    assert rows[1][1] == ""
    whole = run(program, version, paths, *outputs[1:]).stdout.splitlines()
    for row, line in zip([rows[0], *rows[2:]], whole, strict=True):
        name, probabilities = line.split("\t")
        assert row[1] == name
        # Another batch size sums in another order.
        np.testing.assert_allclose(
            np.array(row[2].split(), np.float64),
            np.array(probabilities.split(), np.float64),
            atol=1e-6,
        )


def test_missing_file_is_named(program, version, paths, tmp_path):
    missing = str(tmp_path / "missing.png")
    done = run(program, version, [paths[0], missing], "classes")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{missing}: cannot be opened" in done.stderr


def test_folder_without_a_saved_model_is_named(program, version, paths, tmp_path):
    names = tensor_names(version, "classes")
    done = run_tensors(program, str(tmp_path), names, paths)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path}: Could not find SavedModel" in done.stderr
