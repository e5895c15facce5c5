"""Files as an attacker makes them: none runs code, fills memory or reads others."""

import base64
import io
import json
import marshal
import pathlib
import pickle
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.files import model_file, untrusted
from adafilter_tf.methods import METHODS, adafilter
from adafilter_tf.models import backbones
from adafilter_tf.models.backbones import keras_file
from tests.conftest import random_images, tiny_resnet


class Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return pathlib.Path.touch, (self.mark,)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model_file.save_model(adafilter.build(tiny_resnet(), 3), path)
    return path


def rewrite(
    saved, folder, *, config=None, weights=None, more=(), kind=zipfile.ZIP_STORED
):
    """The model's file with other parts."""
    path = folder / "evil.keras"
    with zipfile.ZipFile(saved) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    if config is not None:
        parts["config.json"] = json.dumps(config).encode()
    if weights is not None:
        parts["model.weights.h5"] = weights
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in [*parts.items(), *more]:
            archive.writestr(name, content)
    return path


def read_config(saved):
    with zipfile.ZipFile(saved) as archive:
        return json.loads(archive.read("config.json"))


def with_layer(saved, layer):
    """The model's configuration with a layer more, as the last but one."""
    config = read_config(saved)
    layers = config["config"]["layers"]
    layers.insert(-1, {"name": "evil", "inbound_nodes": [], **layer})
    return config


def assert_refused(path, message):
    with pytest.raises(errors.RunError, match=message) as raised:
        model_file.load_model(path)
    assert str(raised.value).startswith(f"{path} cannot be loaded by")


@pytest.mark.parametrize("method", ["adafilter", "spottune", "l2_sp", "bss", "lora"])
def test_model_of_every_kind_passes(tmp_path, method):
    backbone = backbones.build_backbone("resnet14", image_size=16, weights="random")
    model = METHODS[method].build(backbone, 3)
    model_file.save_model(model, tmp_path / "model.keras")
    loaded = model_file.load_model(tmp_path / "model.keras")
    images = random_images(2, 16, 16, 1)
    assert np.array_equal(loaded.predict(images), model.predict(images))


def test_lambda_is_refused_and_does_not_run(saved, tmp_path):
    mark = tmp_path / "ran"
    code = compile(f"open({str(mark)!r}, 'w')", "evil", "eval")
    value = {
        "class_name": "__lambda__",
        "config": {
            "code": base64.b64encode(marshal.dumps(code)).decode(),
            "defaults": None,
            "closure": None,
        },
    }
    layer = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "evil", "function": value},
        "registered_name": None,
    }
    keras.config.enable_unsafe_deserialization()
    try:  # not even where somebody has switched Keras' safe mode off
        path = rewrite(saved, tmp_path, config=with_layer(saved, layer))
        assert_refused(path, r"it names keras\.layers\.Lambda, which no model")
        hidden = {**layer, "class_name": "Activation", "config": {"activation": value}}
        path = rewrite(saved, tmp_path, config=with_layer(saved, hidden))
        assert_refused(path, r"it names None\.__lambda__")
    finally:
        keras.src.saving.serialization_lib.global_state.set_global_attribute(
            "safe_mode_saving", None
        )
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "system", None),
        ("subprocess", "Popen", None),
        ("builtins", "eval", None),
        ("keras.utils", "get_file", None),
        ("keras.layers", "TFSMLayer", None),
        ("keras.layers", "StringLookup", None),
        ("keras", "layers.TFSMLayer", None),
        ("keras", "layers.Lambda", None),
        ("keras.src.ops", "numpy.backend.name_scope", None),
        ("keras.layers", "Lambda", "adafilter_tf>Lambda"),
        ("keras.src.saving.saving_lib", "load_model", None),
        ("adafilter_tf.run", "main", "adafilter_tf>main"),
        (None, "Evil", None),
    ],
)
@pytest.mark.parametrize("form", ["class", "function"])
def test_anything_but_layers_is_refused(
    saved, tmp_path, module, name, registered, form
):
    part = {
        "module": module,
        "class_name": name if form == "class" else "function",
        "config": {"name": "evil"} if form == "class" else name,
        "registered_name": registered,
    }
    path = rewrite(saved, tmp_path, config=with_layer(saved, part))
    assert_refused(path, "it names ")


@pytest.mark.parametrize(
    "name", ["../evil.py", "/tmp/evil.py", "assets/vocabulary.txt", "config.json"]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_parts_are_refused(saved, tmp_path, name):
    path = rewrite(saved, tmp_path, more=[(name, b"x")])
    assert_refused(path, "where a model of this package has config.json, metadata.json")


def test_compressed_bomb_is_refused_before_it_is_read(saved, tmp_path):
    path = rewrite(saved, tmp_path, weights=bytes(50 << 20), kind=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    assert_refused(path, "is compressed, which Keras never does")


def test_layers_that_ask_for_far_more_than_the_file_holds_are_refused(saved, tmp_path):
    text = json.dumps(read_config(saved))
    config = json.loads(text.replace('"units": 3', '"units": 1000000000000'))
    assert config != json.loads(text)
    path = rewrite(saved, tmp_path, config=config)
    assert_refused(path, r"its layers ask for \d{13,} bytes of weights and it holds")


def test_deep_configuration_is_refused(saved, tmp_path):
    path = rewrite(saved, tmp_path, more=())
    content = (b"[" * 100_000, b"{}", saved.read_bytes())
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in zip(
            ("config.json", "metadata.json", "model.weights.h5"), content, strict=True
        ):
            archive.writestr(name, part)
    assert_refused(path, "recursion|nested")


def test_deflated_configuration_is_refused_before_it_is_read(saved, tmp_path):
    """As a model and as a backbone; 400 MB would be 0.4 MB of the file."""
    path = rewrite(saved, tmp_path, kind=zipfile.ZIP_DEFLATED)
    assert_refused(path, r"json is compressed, which Keras never does")
    with pytest.raises(errors.RunError, match=r"json is compressed"):
        keras_file.read_input(str(path))


@pytest.mark.parametrize("nested", [False, True])
def test_many_groups_are_checked_fast(tmp_path, nested):
    """In nested ones h5py's own visitors took twelve seconds."""
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w") as file:
        group = file
        for number in range(20_000):
            made = group.create_group(f"g{number}")
            group = made if nested else file
    started = time.process_time()
    untrusted.check_weights(path)
    assert time.process_time() - started < 8
    assert untrusted._MAX_HDF5_ENTRIES > 20_000


def hdf5(write):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        write(file)
    return content.getvalue()


def declare_much(file):
    file.create_dataset("x", (1 << 40,), "f4", chunks=(1024,), compression="gzip")


def link_softly(file):
    file["x"] = h5py.SoftLink("/y")


def link_elsewhere(file):
    file["a/x"] = h5py.ExternalLink("/etc/passwd", "/y")


def store_elsewhere(file):
    file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def map_elsewhere(file):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("x", layout)


HOSTILE_WEIGHTS = [
    (declare_much, r"its arrays declare 4398046511104 bytes"),
    (link_softly, "'x' is a link to another place"),
    (link_elsewhere, "'a/x' is a link to another place"),
    (store_elsewhere, "'x' lies in another file"),
    (map_elsewhere, "'x' lies in another file"),
]


@pytest.mark.parametrize(("write", "message"), HOSTILE_WEIGHTS)
def test_hostile_weights_are_refused(saved, tmp_path, write, message):
    path = rewrite(saved, tmp_path, weights=hdf5(write))
    assert_refused(path, message)
    path = tmp_path / "evil.weights.h5"
    path.write_bytes(hdf5(write))
    with pytest.raises(errors.RunError, match=f"{path} does not fit .*{message}"):
        backbones.build_backbone("resnet14", image_size=16, weights=str(path))


def test_weights_of_another_format_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(errors.RunError, match="its name ends with .h5 or .hdf5"):
        backbones.build_backbone("resnet14", image_size=16, weights=str(path))


def test_pickled_arrays_are_refused_and_do_not_run(tmp_path):
    mark = tmp_path / "ran"
    np.savez(tmp_path / "a.npz", x=np.array([Bomb(mark)], object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(errors.RunError, match=f"{name} cannot be read"):
            untrusted.load_arrays(tmp_path / name, max_bytes=1 << 20)
    assert not mark.exists()


def test_compressed_arrays_that_are_too_large_are_not_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros(1 << 20, "u1"))
    assert path.stat().st_size < 1 << 14
    assert untrusted.load_arrays(path, max_bytes=2 << 20)["x"].shape == (1 << 20,)
    message = "it holds 1048704 bytes and may hold 1048576"
    with pytest.raises(errors.RunError, match=message):
        untrusted.load_arrays(path, max_bytes=1 << 20)


def test_array_of_a_huge_declared_shape_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (1 << 50,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content.getvalue())
    with pytest.raises(errors.RunError, match="a.npz cannot be read"):
        untrusted.load_arrays(path, max_bytes=1 << 20)
