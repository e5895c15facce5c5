"""RandAugment (Cubuk et al. 2019, arXiv:1909.13719) as a pure function of a key.

`keras.layers.RandAugment` is not used: it draws from a generator of its own (its
`get_random_transformation` ignores `seed`), so a resumed run could not repeat its
draws; it also gives all images of a batch the same operations and refuses grey images.

Each operation takes an image, float32 [S, S, C] in 0..255 with C = 1 or 3, and a sign,
-1.0 or 1.0, which is the direction of a change that has two. The strengths are those of
magnitude 9 of 10, the paper's choice for ResNet50 on ImageNet (table 5).
"""

import functools
import math
from collections.abc import Sequence

import tensorflow as tf

_NUM_OPERATIONS = 2
_ROTATION = math.radians(27.0)
_SHEAR = 0.27
_TRANSLATION = 90 / 224  # of the image's side
_ENHANCEMENT = 0.81  # factors 1.81 and 0.19
_SOLARIZE_THRESHOLD = 230.0
_POSTERIZE_BITS = 3
_FILL = 128.0


def randaugment(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Two of the fourteen operations, each with a random sign.

    Args:
        image: float32 [S, S, C] in 0..255, C is 1 or 3.
        key: int64 [2].

    Returns:
        float32 [S, S, C] in 0..255.
    """
    shape = image.shape
    for operation_key in tf.unstack(tf.random.split(key, _NUM_OPERATIONS)):
        choice_key, sign_key = tf.unstack(tf.random.split(operation_key, 2))
        choice = tf.random.stateless_uniform(
            [], choice_key, maxval=len(OPERATIONS), dtype=tf.int32
        )
        sign = tf.sign(tf.random.stateless_uniform([], sign_key) - 0.5)
        branches = [functools.partial(op, image, sign) for op in OPERATIONS.values()]
        image = tf.ensure_shape(tf.switch_case(choice, branches), shape)
    return image


def identity(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """No change."""
    del sign
    return tf.identity(image)


def auto_contrast(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Each channel stretched to 0..255; a channel of one value is left alone."""
    del sign
    low = tf.reduce_min(image, [0, 1])
    high = tf.reduce_max(image, [0, 1])
    # In this order the brightest pixel becomes 255 exactly.
    stretched = tf.math.divide_no_nan(image - low, high - low) * 255.0
    return tf.where(high > low, stretched, image)


def equalize(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Each channel's histogram flattened, by Pillow's rule, which keeps integers."""
    del sign
    levels = tf.cast(tf.round(image), tf.int32)
    channels = [_equalize_channel(channel) for channel in tf.unstack(levels, axis=-1)]
    return tf.cast(tf.stack(channels, -1), tf.float32)


def solarize(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """The brightest pixels inverted."""
    del sign
    return tf.where(image < _SOLARIZE_THRESHOLD, image, 255.0 - image)


def posterize(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Only the highest bits of each value."""
    del sign
    width = 2.0 ** (8 - _POSTERIZE_BITS)
    return tf.floor(image / width) * width


def rotate(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """A turn about the centre."""
    cos, sin = math.cos(_ROTATION), sign * math.sin(_ROTATION)
    return _transform(image, [[cos, -sin], [sin, cos]])


def shear_x(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Rows moved sideways in proportion to their height."""
    return _transform(image, [[1.0, sign * _SHEAR], [0.0, 1.0]])


def shear_y(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Columns moved up or down in proportion to their distance from the centre."""
    return _transform(image, [[1.0, 0.0], [sign * _SHEAR, 1.0]])


def translate_x(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """A shift to the left or right."""
    return _transform(image, shift=[sign * _TRANSLATION, 0.0])


def translate_y(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """A shift up or down."""
    return _transform(image, shift=[0.0, sign * _TRANSLATION])


def color(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """More or less saturation; a grey image has none to change."""
    return _blend(_grey(image), image, sign)


def contrast(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Further from or nearer to the image's mean grey."""
    return _blend(tf.reduce_mean(_grey(image)), image, sign)


def brightness(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Brighter or darker."""
    return _blend(0.0, image, sign)


def sharpness(image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    """Sharper or smoother; pixels at the border, which lack neighbours, are kept."""
    kernel = tf.constant([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]]) / 13.0
    kernel = tf.tile(kernel[:, :, None, None], [1, 1, image.shape[-1], 1])
    inner = tf.nn.depthwise_conv2d(image[None], kernel, [1, 1, 1, 1], "VALID")[0]
    has_neighbours = tf.pad(tf.ones_like(inner), [[1, 1], [1, 1], [0, 0]]) > 0.0
    smooth = tf.where(has_neighbours, tf.pad(inner, [[1, 1], [1, 1], [0, 0]]), image)
    return _blend(smooth, image, sign)


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        identity,
        auto_contrast,
        equalize,
        solarize,
        posterize,
        rotate,
        shear_x,
        shear_y,
        translate_x,
        translate_y,
        color,
        contrast,
        brightness,
        sharpness,
    )
}


def _grey(image: tf.Tensor) -> tf.Tensor:
    return tf.image.rgb_to_grayscale(image) if image.shape[-1] == 3 else image


def _blend(degenerate: tf.Tensor, image: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    factor = 1.0 + sign * _ENHANCEMENT
    return tf.clip_by_value(degenerate + factor * (image - degenerate), 0.0, 255.0)


def _equalize_channel(levels: tf.Tensor) -> tf.Tensor:
    # int32 [S, S] -> int32 [S, S]
    histogram = tf.math.bincount(tf.reshape(levels, [-1]), minlength=256, maxlength=256)
    brightest = histogram[tf.reduce_max(levels)]
    step = (tf.reduce_sum(histogram) - brightest) // 255
    darker = tf.cumsum(histogram, exclusive=True)
    table = tf.minimum((darker + step // 2) // tf.maximum(step, 1), 255)
    return tf.where(step > 0, tf.gather(table, levels), levels)


def _transform(
    image: tf.Tensor,
    matrix: Sequence[Sequence[tf.Tensor | float]] = ((1.0, 0.0), (0.0, 1.0)),
    shift: Sequence[tf.Tensor | float] = (0.0, 0.0),
) -> tf.Tensor:
    # Output pixel p takes its value from input position matrix (p - centre) + centre +
    # shift * side, where p = (x, y).
    side = float(image.shape[0])
    centre = (side - 1.0) / 2.0
    rows = []
    for (m_x, m_y), s in zip(matrix, shift, strict=True):
        rows += [m_x, m_y, centre - (m_x + m_y) * centre + s * side]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.cast(tf.stack([*rows, 0.0, 0.0]), tf.float32)[None],
        output_shape=image.shape[:2],
        fill_value=_FILL,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[0]
