"""Reads files that may come from untrusted sources: models, weights and arrays.

No file can make Python run code of its author: arrays are read without pickle, models
by a list of the classes that they may consist of, on top of Keras' safe mode. Nor can a
small file ask for much memory or time, or name another file to be read. Every `.keras`
and `.h5` file comes in by `read_config`, `load_model` or `check_weights`.
"""

import io
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Iterator

import h5py
import keras
import numpy as np

from adafilter_tf import errors

_MODEL_MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]
# Where the classes of a trained model come from. Those of layers/ are registered.
_MODULES = {
    "keras",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.regularizers",
    "keras.src.applications.convnext",
    "keras.src.applications.inception_resnet_v2",
    "keras.src.models.functional",
}
_OPERATIONS = "keras.src.ops."
_REGISTERED = "adafilter_tf>"
_MARKERS = {"__ellipsis__", "__keras_tensor__", "__slice__"}
# They run code, call another program's model or read files that the model names.
_FORBIDDEN = {
    "FlaxLayer",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}
# The largest, of gated NASNetLarge, has 4 MB; parsed JSON takes up to 30 times as much.
_MAX_CONFIG_BYTES = 16 << 20
_MAX_HDF5_ENTRIES = 50_000
_SLACK_BYTES = 16 << 20
_MAX_EXPANSION = 20


def read_config(path: str | os.PathLike) -> dict:
    """Returns the configuration of a `.keras` file, without loading the model.

    Raises:
        ValueError: The file is not what `keras.Model.save` writes.
        Exception: Whatever zipfile and json raise of a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        _check_members(archive)
        return _parse_config(archive)


def load_model(path: str | os.PathLike) -> keras.Model:
    """Returns the model of a `.keras` file, uncompiled.

    Raises:
        ValueError: The file is not what `keras.Model.save` writes, or consists of more
            than the layers that a model of this package may have.
        Exception: Whatever Keras raises of a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        _check_members(archive)
        config = _parse_config(archive)
        weights = archive.read("model.weights.h5")
    check_config(config)
    with h5py.File(io.BytesIO(weights), "r") as file:
        stored = _count_bytes(file, len(weights))
    # Without memory for any variable, which a config alone could ask for.
    with keras.StatelessScope(initialize_variables=False):
        shell = keras.saving.deserialize_keras_object(config, safe_mode=True)
        needed = sum(_size_of(variable) for variable in shell.variables)
    if needed > stored + _SLACK_BYTES:
        raise ValueError(
            f"its layers ask for {needed} bytes of weights and it holds {stored}."
        )
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def check_config(config: dict) -> None:
    """Checks that a model's configuration names nothing but layers and their parts.

    Raises:
        ValueError: Naming the first class that is not allowed.
    """
    for part in _list_parts(config):
        name, module = part["class_name"], part.get("module")
        # Keras follows dots: module "keras", class "layers.TFSMLayer".
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"it names the class {str(name)[:100]!r}.")
        registered = str(part.get("registered_name") or "")
        if module is None and name in _MARKERS:
            continue
        if registered.startswith(_REGISTERED) and keras.saving.get_registered_object(
            registered
        ):
            continue
        known = isinstance(module, str) and (
            module in _MODULES or module.startswith(_OPERATIONS)
        )
        if not known or name in _FORBIDDEN or name in ("__lambda__", "function"):
            raise ValueError(
                f"it names {str(module)[:100]}.{name[:100]}, which no model of this "
                "package has; such a class may run code or read files."
            )


def check_weights(path: pathlib.Path) -> None:
    """Checks an HDF5 file of weights.

    Raises:
        ValueError: When it refers to other files, or declares far more than it holds.
        OSError: It is not an HDF5 file.
    """
    with h5py.File(path, "r") as file:
        _count_bytes(file, path.stat().st_size)


def load_arrays(path: pathlib.Path, *, max_bytes: int) -> dict[str, np.ndarray]:
    """Returns the arrays of an `.npz` file by name.

    Args:
        path: As `numpy.savez` or `numpy.savez_compressed` write it.
        max_bytes: That all arrays together may have in memory.

    Raises:
        RunError: When the file is missing, damaged, larger than that, or holds Python
            objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > max_bytes:
            raise ValueError(f"it holds {total} bytes and may hold {max_bytes}")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    # A damaged zip file makes zipfile raise NotImplementedError, zlib.error and more.
    except Exception as error:
        raise errors.RunError(
            f"{path} cannot be read: {errors.explain(error)}. The run needs it: put "
            "it back, or start anew in another --output_dir."
        ) from error


def _check_members(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if names != _MODEL_MEMBERS:
        raise ValueError(
            f"it holds {', '.join(map(repr, names[:5]))} where a model of this package "
            f"has {', '.join(_MODEL_MEMBERS)}."
        )
    for member in members:
        stored = member.compress_type == zipfile.ZIP_STORED
        if not stored or member.file_size != member.compress_size:
            raise ValueError(
                f"its part {member.filename} is compressed, which Keras never does."
            )
    if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"its config.json has more than {_MAX_CONFIG_BYTES} bytes.")


def _parse_config(archive: zipfile.ZipFile) -> dict:
    config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("its config.json does not describe a model.")
    return {**config, "compile_config": None}


def _list_parts(config) -> Iterator[dict]:
    """Yields every dictionary that names a class, at any depth."""
    stack = [config]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if "class_name" in part:
                yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _count_bytes(file: h5py.File, file_bytes: int) -> int:
    """Returns the bytes that all arrays of an HDF5 file have in memory."""
    total = sum(
        math.prod(array.shape or ()) * array.dtype.itemsize
        for array in _list_arrays(file)
    )
    limit = _SLACK_BYTES + _MAX_EXPANSION * file_bytes
    if total > limit:
        raise ValueError(
            f"its arrays declare {total} bytes, and a file of {file_bytes} bytes may "
            f"hold {limit}."
        )
    return total


def _list_arrays(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Yields every array of a file, each once.

    h5py's own visitors look every entry up by its whole path, which takes a time that
    grows with the square of the depth; this one opens an entry from its group.

    Raises:
        ValueError: An entry lies elsewhere, or there are too many.
    """
    groups, seen, entries = [("", file.id)], set(), 0
    while groups:
        path, group = groups.pop()
        for name in group:
            entries += 1
            if entries > _MAX_HDF5_ENTRIES:
                raise ValueError(f"it has more than {_MAX_HDF5_ENTRIES} entries.")
            full = f"{path}{name.decode(errors='replace')}"
            if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
                raise ValueError(f"its entry {full!r} is a link to another place.")
            entry = h5py.h5o.open(group, name)
            address = h5py.h5o.get_info(entry).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(entry, h5py.h5g.GroupID):
                groups.append((f"{full}/", entry))
            elif isinstance(entry, h5py.h5d.DatasetID):
                array = h5py.Dataset(entry)
                if array.external or array.is_virtual:
                    raise ValueError(f"its array {full!r} lies in another file.")
                yield array


def _size_of(variable: keras.Variable) -> int:
    itemsize = 2 if "16" in variable.dtype else 8 if "64" in variable.dtype else 4
    return math.prod(variable.shape) * itemsize
