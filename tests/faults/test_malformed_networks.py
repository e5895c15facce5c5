"""`.keras` files with bytes, JSON or HDF5 changed, as a backbone and as a model."""

import copy
import json
import resource
import time
import zipfile

import keras
import numpy as np

from adafilter_tf import errors
from adafilter_tf.files import model_file
from adafilter_tf.models.backbones import keras_file
from tests.faults import mutations

_VALUES = (
    None,
    True,
    -1,
    0,
    1e400,
    10**30,
    "",
    "keras",
    [],
    {},
    [[]],
    {"a": 1},
    "x" * 999,
)


def _network():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(images)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))


def _list_places(value, found):
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            _list_places(value[key], found)
    return found


def _mutate_json(content, rng):
    """Another value, another key or nothing, at one to three places."""
    config = copy.deepcopy(json.loads(content))
    for _ in range(int(rng.integers(1, 4))):
        places = _list_places(config, [])
        if not places:
            break
        parent, key = places[int(rng.integers(len(places)))]
        kind = int(rng.integers(4))
        if kind == 0:
            del parent[key]
        elif kind == 1:
            other, name = places[int(rng.integers(len(places)))]
            parent[key] = copy.deepcopy(other[name])
        else:
            parent[key] = copy.deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])
    return json.dumps(config).encode()


def _mutate(parts, kind, rng):
    parts = dict(parts)
    if kind == "json":
        parts["config.json"] = _mutate_json(parts["config.json"], rng)
    elif kind == "hdf5":
        content = parts["model.weights.h5"]
        parts["model.weights.h5"] = mutations.mutate_bytes(content, rng)
    return parts


def test_malformed_networks(amount, count, tmp_path):
    """Each is refused in one line or loaded, within 20 seconds and 1 GB."""
    rng = np.random.default_rng(6)
    path = tmp_path / "network.keras"
    _network().save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(amount(1000, 45)):
        kind = ("json", "hdf5", "bytes")[number % 3]
        if kind == "bytes":
            path.write_bytes(mutations.mutate_bytes(whole, rng))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in _mutate(parts, kind, rng).items():
                    archive.writestr(name, content)
        for read in (
            lambda: keras_file.read_input(str(path)),
            lambda: keras_file.load(str(path)),
            lambda: model_file.load_model(path),
        ):
            started = time.monotonic()
            try:
                read()
            except errors.RunError as error:
                assert "\n" not in str(error) and len(str(error)) < 1500
                count.add("refused")
            except Exception as error:
                count.crash(f"{kind} {number}", error)
            else:
                count.add("read")
            assert time.monotonic() - started < 20
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 20  # KiB
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["refused"] and count.outcomes["read"]
