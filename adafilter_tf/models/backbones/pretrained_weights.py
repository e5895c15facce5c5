"""A backbone's weights: downloaded, bundled, imported or a user's file."""

import dataclasses
import hashlib
import os
import pathlib
import re
import warnings
from collections.abc import Callable

import keras

from adafilter_tf import errors
from adafilter_tf.files import untrusted

_SUFFIXES = (".h5", ".hdf5")
FILE = "file"
"""What `build` is asked for when the weights come from a file of the user's."""

_BUNDLED_FOLDER = pathlib.Path(__file__).parent / "weights"


def downloads_folder() -> pathlib.Path:
    """Returns the folder where Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(home).expanduser() / "models"


@dataclasses.dataclass(frozen=True)
class ImportedWeights:
    """Weights that a command brings into Keras' folder of downloads.

    Attributes:
        file_name: There.
        sha256: Of the values, see `digest`.
        command: What imports them.
    """

    file_name: str
    sha256: str
    command: str

    def path(self) -> pathlib.Path:
        """Returns where they are, or will be."""
        return downloads_folder() / self.file_name


def load(
    name: str,
    build: Callable[..., keras.Model],
    inputs: keras.KerasTensor,
    *,
    weights: str,
    bundled: str | None = None,
    imported: ImportedWeights | None = None,
) -> keras.Model:
    """Builds a backbone and gives it its weights.

    Args:
        name: Of the backbone, for messages.
        build: See `backbones.BackboneSpec`.
        inputs: Normalized pixels.
        weights: "pretrained", "random" or the path of a file.
        bundled: File in `models/backbones/weights` with the pre-trained weights.
        imported: The pre-trained weights, if a command imports them. With neither,
            `build` downloads them.

    Raises:
        RunError: When the weights cannot be had.
    """
    if weights == "random":
        return build(None, inputs)
    if weights != "pretrained":
        return _load_file(name, build(FILE, inputs), weights)
    if bundled:
        return _load_file(name, build(None, inputs), str(_BUNDLED_FOLDER / bundled))
    if imported:
        return _load_imported(name, build(None, inputs), imported)
    return _download(name, build, inputs)


def digest(model: keras.Model) -> str:
    """Returns the SHA-256 of the values of all weights, float32, in their order."""
    found = hashlib.sha256()
    for weight in model.weights:
        found.update(keras.ops.convert_to_numpy(weight).astype("<f4").tobytes())
    return found.hexdigest()


def check_digest(model: keras.Model, imported: ImportedWeights, source: str) -> None:
    """Checks that a model has the values that were recorded.

    Raises:
        RunError: Otherwise.
    """
    if (received := digest(model)) != imported.sha256:
        raise errors.RunError(
            f"The weights of {source} have the SHA-256 {received}, recorded is "
            f"{imported.sha256}. Import them again: {imported.command}"
        )


def _load_imported(name, backbone, imported):
    path = imported.path()
    if not path.is_file():
        raise errors.RunError(
            f"The ImageNet weights of {name} are not in {path.parent} yet. Import them "
            f"once: {imported.command}"
        )
    backbone = _load_file(name, backbone, str(path))
    check_digest(backbone, imported, str(path))
    return backbone


def _download(name, build, inputs):
    try:
        return build("imagenet", inputs)
    except Exception as error:  # Keras raises bare Exception when a download fails.
        url = re.search(r"https?://\S+\.h5", str(error))
        if url is None:
            raise
        folder = downloads_folder()
        raise errors.RunError(
            f"The ImageNet weights of {name} are neither in {folder} nor could they be "
            f"downloaded from {url.group()}. Put that file into {folder} by hand, give "
            "its path with --weights=PATH, or run without a network with "
            "--flagfile=configs/digits.cfg."
        ) from error


def _load_file(name: str, backbone: keras.Model, path: str) -> keras.Model:
    if not os.path.isfile(path):
        raise errors.RunError(
            f"The weights file {path} of {name} does not exist; --weights takes "
            "pretrained, random or the path of an .h5 file."
        )
    if not path.endswith(_SUFFIXES):
        raise errors.RunError(
            f"The weights file {path} of {name} is not a file of weights: its name "
            f"ends with {' or '.join(_SUFFIXES)}."
        )
    try:
        untrusted.check_weights(pathlib.Path(path))
        with warnings.catch_warnings():
            # Keras warns of weights that it leaves as they are; here that is an error.
            warnings.simplefilter("error", UserWarning)
            backbone.load_weights(path)
    # A damaged file makes h5py and Keras raise nearly anything.
    except Exception as error:
        raise errors.RunError(
            f"The weights file {path} does not fit {name} without its top: "
            f"{errors.explain(error)}."
        ) from error
    return backbone
