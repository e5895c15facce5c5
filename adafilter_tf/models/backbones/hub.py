"""Image backbones of KerasHub by preset; KerasHub is needed for these alone."""

import importlib.util

import keras

from adafilter_tf import errors

PREFIX = "hub:"
_DEFAULT_IMAGE_SIZE = 224


def load(preset: str, *, load_weights: bool) -> keras.Model:
    """Returns the backbone of a preset.

    Args:
        preset: A name such as resnet_50_imagenet, a handle of Kaggle or Hugging Face,
            or a folder that `save_to_preset` wrote.
        load_weights: False for random weights.

    Raises:
        RunError: When KerasHub is not installed, the preset cannot be had or is no
            functional network of images.
    """
    backbone = _from_preset(
        "Backbone", preset, lambda of: of.from_preset(preset, load_weights=load_weights)
    )
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(backbone.input)]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3:
        raise errors.RunError(
            f"The preset {preset} reads {shapes}; a backbone reads images (batch, "
            "height, width, 3), channels last."
        )
    return backbone


def read_image_size(preset: str) -> int:
    """Returns the height of the images that a preset was made for, in pixels.

    Raises:
        RunError: As `load`.
    """
    converter = _load_converter(preset)
    return converter.image_size[0] if converter.image_size else _DEFAULT_IMAGE_SIZE


def read_normalization(preset: str) -> dict | None:
    """Returns the arguments of `PixelNormalization`, None for pixels as they come.

    A preset's image converter computes `pixels * scale + offset`.

    Raises:
        RunError: As `load`.
    """
    converter = _load_converter(preset)
    if converter.scale is None and converter.offset is None:
        return None
    scale, offset = _per_channel(converter.scale, 1), _per_channel(converter.offset, 0)
    return {
        "mean": tuple(-o / s for o, s in zip(offset, scale, strict=True)),
        "standard_deviation": tuple(1 / s for s in scale),
    }


def _per_channel(value, default: float) -> list[float]:
    if isinstance(value, list | tuple):
        return [float(each) for each in value]
    return [float(default if value is None else value)] * 3


def _load_converter(preset: str):
    return _from_preset(
        "ImageConverter", preset, lambda of: of.from_preset(preset), "layers"
    )


def _from_preset(name, preset, load, module="models"):
    if importlib.util.find_spec("keras_hub") is None:
        raise errors.RunError(
            f"--backbone={PREFIX}{preset} needs KerasHub, which is not installed: "
            "pip install -e .[hub]"
        )
    import keras_hub

    try:
        return load(getattr(getattr(keras_hub, module), name))
    # Its loaders raise what their parts do: of Kaggle, of files, of configurations.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise errors.RunError(
            f"The preset {preset} cannot be had as a KerasHub {name}: {reason} Check "
            "its name and the network, or give a folder that save_to_preset wrote: "
            f"--backbone={PREFIX}FOLDER."
        ) from error
