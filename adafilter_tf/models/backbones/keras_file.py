"""Backbones from `.keras` files, which may come from untrusted sources."""

import os
import pathlib

import keras

from adafilter_tf import errors
from adafilter_tf.files import untrusted

SUFFIX = ".keras"
DEFAULT_IMAGE_SIZE = 224


def read_input(path: str) -> tuple[int, int]:
    """Returns image size and channels of a network, without loading it.

    Args:
        path: Of a `.keras` file.

    Returns:
        Height in pixels (224 where the file leaves it open), and channels.

    Raises:
        RunError: When the file is missing, damaged, of another kind of model, or when
            its input is not [batch, height, width, channels] with equal sides and 1 or
            3 channels.
    """
    if not os.path.isfile(path):
        raise errors.RunError(
            f"Received --backbone={path}; there is no such file. Give the path of a "
            "model that model.save wrote."
        )
    try:
        config = untrusted.read_config(path)
    # A damaged file makes zipfile and json raise nearly anything.
    except Exception as error:
        raise errors.RunError(
            f"{path} is not a file of Keras 3's .keras format: "
            f"{errors.explain(error)}. Save the model with model.save('name.keras')."
        ) from error
    shapes = _list_input_shapes(config)
    if config.get("class_name") not in ("Functional", "Sequential") or not shapes:
        raise errors.RunError(
            f"{path} holds a {str(config.get('class_name'))[:100]}; a backbone must be "
            "a functional or Sequential Keras model that begins with keras.Input."
        )
    return _check_shape(path, shapes)


def _list_input_shapes(config: dict) -> list[list]:
    """Returns the shapes of a model's inputs; what is malformed has none."""
    own = config.get("config")
    layers = own.get("layers") if isinstance(own, dict) else None
    shapes = []
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, dict) or layer.get("class_name") != "InputLayer":
            continue
        options = layer.get("config")
        if isinstance(options, dict):
            shape = options.get("batch_shape") or options.get("batch_input_shape")
            shapes.append(shape if isinstance(shape, list) else [])
    return shapes


def _check_shape(path, shapes) -> tuple[int, int]:
    shape = shapes[0]
    is_image = len(shape) == 4 and shape[3] in (1, 3) and shape[1] == shape[2]
    if is_image and shape[1] is not None:  # None leaves the size open
        is_image = type(shape[1]) is int and shape[1] > 0
    if len(shapes) != 1 or not is_image:
        found = ", ".join(str(tuple(shape))[:100] for shape in shapes[:4])
        raise errors.RunError(
            f"The network in {path} reads {found}; a backbone reads one input (batch, "
            "height, width, channels) with equal sides and 1 or 3 channels, last."
        )
    return shape[1] or DEFAULT_IMAGE_SIZE, shape[3]


def load(path: str) -> keras.Model:
    """Returns the network of a file, which may come from an untrusted source.

    Raises:
        RunError: When it has Lambda layers or layers that are not Keras' own, or is
            damaged.
    """
    try:
        network = untrusted.load_model(pathlib.Path(path))
    # Keras raises what its parts do: of zip files, JSON, HDF5, configurations.
    except Exception as error:
        raise errors.RunError(
            f"{path} cannot be a backbone on Keras {keras.__version__}: "
            f"{errors.explain(error)}. Build the network of Keras' own layers, "
            "without Lambda (Rescaling and Normalization are for pixels), and save it "
            "again."
        ) from error
    # Its file's name tells one from another in messages and exports.
    network.name = pathlib.Path(path).stem
    return network
