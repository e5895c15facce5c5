"""A network that is not in the table of backbones: a `.keras` file, KerasHub's."""

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models.backbones import adaptation, hub, keras_file


def is_own(name: str) -> bool:
    """Returns whether a backbone's name is that of such a network."""
    return name.endswith(keras_file.SUFFIX) or name.startswith(hub.PREFIX)


def read_images(name: str) -> tuple[int, int]:
    """Returns image size in pixels and channels of a network.

    Raises:
        RunError: When there is no such network, or none of images.
    """
    if name.startswith(hub.PREFIX):
        return hub.read_image_size(name.removeprefix(hub.PREFIX)), 3
    return keras_file.read_input(name)


def build(
    name: str,
    *,
    image_size: int,
    channels: int,
    weights: str,
    pixel_range: str,
    features_layer: str | None,
) -> keras.Model:
    """Returns the network as a backbone of pixels 0..255, without its head.

    Args:
        name: The path of a `.keras` file, or `hub:` and a preset of KerasHub.
        image_size: Height and width of the input, in pixels.
        channels: Of the input.
        weights: "pretrained" or "random".
        pixel_range: See `source_network.choose_normalization`; "auto" takes what a
            preset says.
        features_layer: See `source_network.cut_head`.

    Raises:
        UsageError: When an option is not possible.
        RunError: When the network cannot be had or is no backbone.
    """
    if weights not in ("pretrained", "random"):
        raise errors.UsageError(
            f"Received --weights={weights} with --backbone={name}, which has weights "
            "of its own; allowed are pretrained and random."
        )
    is_pretrained = weights == "pretrained"
    if name.startswith(hub.PREFIX):
        preset = name.removeprefix(hub.PREFIX)
        network = hub.load(preset, load_weights=is_pretrained)
    else:
        preset, network = None, keras_file.load(name)
    network = adaptation.cut_head(network, features_layer)
    if preset and pixel_range == "auto":
        normalization = hub.read_normalization(preset)
    else:
        normalization = adaptation.choose_normalization(network, pixel_range, channels)
    pixels = inputs = keras.Input((image_size, image_size, channels), name="images")
    if normalization is not None:
        inputs = layers.PixelNormalization(
            **normalization, dtype="float32", name="pixel_normalization"
        )(pixels)
    return adaptation.put_behind(network, inputs, keep_weights=is_pretrained)
