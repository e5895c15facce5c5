"""What is checked of a file that may come from a stranger before anything reads it.

No file of a run can make Python run code of its author: arrays are read without
pickle, models by a list of what they may be made of, on top of Keras' safe mode. Nor
can a small file ask for a large memory, or name another file to be read.
"""

import io
import json
import math
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
_MAX_CONFIG_BYTES = 64 << 20
_SLACK_BYTES = 16 << 20
_MAX_EXPANSION = 20


def load_model(path: pathlib.Path) -> keras.Model:
    """Returns the model of a `.keras` file, uncompiled.

    Raises:
        ValueError: When the file is not what `keras.Model.save` makes of a model of
            this package; and whatever Keras raises of a damaged one.
    """
    with zipfile.ZipFile(path) as archive:
        config, weights = _read_members(archive)
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
        registered = str(part.get("registered_name") or "")
        if module is None and name in _MARKERS:
            continue
        if registered.startswith(_REGISTERED) and keras.saving.get_registered_object(
            registered
        ):
            continue
        known = module in _MODULES or str(module).startswith(_OPERATIONS)
        if not known or name in _FORBIDDEN or name in ("__lambda__", "function"):
            raise ValueError(
                f"it names {module}.{name}, which no model of this package has; "
                "such a class may run code or read files."
            )


def check_weights(path: pathlib.Path) -> None:
    """Checks an HDF5 file of weights.

    Raises:
        ValueError: When it refers to other files, or declares far more than it holds.
        OSError: When it is no HDF5 file.
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
            f"{path} cannot be read: {errors.explain(error)}. The run cannot resume "
            "without it; start it anew in another --output_dir."
        ) from error


def _read_members(archive: zipfile.ZipFile) -> tuple[dict, bytes]:
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if names != _MODEL_MEMBERS:
        raise ValueError(
            f"it holds {', '.join(map(repr, names[:5]))} where a model of this package "
            f"has {', '.join(_MODEL_MEMBERS)}."
        )
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(
                f"its part {member.filename} is compressed, which Keras never does."
            )
    if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"its config.json has more than {_MAX_CONFIG_BYTES} bytes.")
    config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("its config.json describes no model.")
    return {**config, "compile_config": None}, archive.read("model.weights.h5")


def _list_parts(config) -> Iterator[dict]:
    """Gives every dictionary that names a class, at any depth."""
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
    total = 0

    def find_link(name, link):
        return None if isinstance(link, h5py.HardLink) else name

    def count(name, entry):
        nonlocal total
        if isinstance(entry, h5py.Dataset):
            if entry.external or entry.is_virtual:
                raise ValueError(f"its array {name!r} lies in another file.")
            total += math.prod(entry.shape or ()) * entry.dtype.itemsize

    # h5py replaces an exception that is raised while it walks over links.
    if (name := file.visititems_links(find_link)) is not None:
        raise ValueError(f"its entry {name!r} is a link to another place.")
    file.visititems(count)
    limit = _SLACK_BYTES + _MAX_EXPANSION * file_bytes
    if total > limit:
        raise ValueError(
            f"its arrays declare {total} bytes, and a file of {file_bytes} bytes may "
            f"hold {limit}."
        )
    return total


def _size_of(variable: keras.Variable) -> int:
    itemsize = 2 if "16" in variable.dtype else 8 if "64" in variable.dtype else 4
    return math.prod(variable.shape) * itemsize
