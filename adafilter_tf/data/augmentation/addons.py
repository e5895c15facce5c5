"""Augmentations of tensorflow-addons, as far as its last build still imports.

tensorflow-addons ended in May 2024. Its last build, `tfa-nightly`, imports beside
Keras 3 on Python up to 3.11, and `tfa.image` works; see requirements-addons.txt. What
is random is drawn here, so that the same key gives the same change.
"""

import importlib
import math
import warnings

import tensorflow as tf

from adafilter_tf import errors

MAX_ANGLE = math.radians(30)
MAX_SHIFT = 0.1
"""Of a translation, as a share of the image's side."""


def parse_operations(text: str | None) -> tuple[str, ...]:
    """Returns the operations that a text such as "tfa:rotate,cutout" names.

    Raises:
        UsageError: When one is unknown, or tensorflow-addons cannot be imported.
    """
    if not text:
        return ()
    prefix, _, rest = text.partition(":")
    names = tuple(name.strip() for name in rest.split(",")) if rest else ()
    unknown = [name for name in names if name not in OPERATIONS]
    if prefix != "tfa" or not names or unknown:
        raise errors.UsageError(
            f"Received --augmentation={text}; it is tfa: and one or more of "
            f"{', '.join(OPERATIONS)}, separated by commas."
        )
    import_addons()
    return names


def import_addons():
    """Returns the module tensorflow_addons.

    Raises:
        UsageError: When it is not installed or cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has come to its end
            addons = importlib.import_module("tensorflow_addons")
    except ImportError as error:
        raise errors.UsageError(
            "--augmentation=tfa:... needs the last build of tensorflow-addons: pip "
            "install -r requirements-addons.txt, on Python 3.11. "
            f"({' '.join(str(error).split())[:200]})"
        ) from error
    # Its compiled operations are of an older TensorFlow; it has all of ours in Python.
    addons.options.disable_custom_kernel()
    return addons


def apply_operations(
    image: tf.Tensor, names: tuple[str, ...], key: tf.Tensor
) -> tf.Tensor:
    """Changes one image by each operation in turn.

    Args:
        image: float32 [S, S, C] in 0..255.
        names: Of OPERATIONS.
        key: int64 [2].

    Returns:
        float32 [S, S, C] in 0..255.
    """
    tfa = import_addons()
    keys = tf.unstack(tf.random.split(key, len(names)))
    for name, own_key in zip(names, keys, strict=True):
        changed = OPERATIONS[name](tfa.image, image, own_key)
        image = tf.ensure_shape(changed, image.shape)
    return image


def _rotate(library, image, key):
    """Up to 30 degrees either way."""
    angle = tf.random.stateless_uniform([], key, -MAX_ANGLE, MAX_ANGLE)
    return library.rotate(image, angle, "bilinear", fill_mode="nearest")


def _translate(library, image, key):
    """Up to a tenth of the side in each direction."""
    side = tf.cast(tf.shape(image)[0], tf.float32)
    shift = tf.random.stateless_uniform([2], key, -MAX_SHIFT, MAX_SHIFT) * side
    return library.translate(image, shift, "bilinear", fill_mode="nearest")


def _cutout(library, image, key):
    """A grey square of half the side, anywhere (DeVries and Taylor 2017)."""
    side = image.shape[0]
    half = max(1, side // 4)
    center = tf.random.stateless_uniform([2], key, 0, side, tf.int32)
    return library.cutout(image[None], 2 * half, center[None], 127.5)[0]


def _sharpness(library, image, key):
    """From nearly blurred, 0.1, over unchanged, 1, to sharpened, 1.9."""
    factor = tf.random.stateless_uniform([], key, 0.1, 1.9)
    return tf.clip_by_value(library.sharpness(image, factor), 0.0, 255.0)


def _equalize(library, image, key):
    """The histogram of every second image made flat."""

    def equalize():
        rounded = tf.cast(tf.round(image), tf.uint8)
        return tf.cast(library.equalize(rounded), tf.float32)

    half = tf.random.stateless_uniform([], key) < 0.5
    return tf.cond(half, equalize, lambda: image)


def _hsv(library, image, key):
    """Hue by up to 0.2 radians, saturation and value by up to a fifth; colour only."""
    if image.shape[-1] != 3:
        return image
    hue, saturation, value = tf.unstack(
        tf.random.stateless_uniform([3], key, [-0.2, 0.8, 0.8], [0.2, 1.2, 1.2])
    )
    changed = library.adjust_hsv_in_yiq(image, hue, saturation, value)
    return tf.clip_by_value(changed, 0.0, 255.0)


OPERATIONS = {
    "rotate": _rotate,
    "translate": _translate,
    "cutout": _cutout,
    "sharpness": _sharpness,
    "equalize": _equalize,
    "hsv": _hsv,
}
