"""From the bytes of a JPEG or PNG file to the pixels that a model takes.

One path for training, evaluation, prediction and the exported graph: decode inside a
box, resize to a square. It is plain graph code (`tf.cond`, no autograph), so that it
can be traced into a SavedModel. The conventions are those of TensorFlow's decoders
(16-bit PNGs keep their upper 8 bits), but EXIF orientation is honoured, what is
transparent shows a background, and a file with too many pixels is refused undecoded.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from adafilter_tf.data.decoding import exif_orientation, pixel_limit

# A box [4] int32 (top, left, height, width) chosen from an image's height and width.
BoxFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# The only DCT that gives the same pixels as other JPEG readers (the default is up to 6
# of 255 away from PIL), so it is used everywhere.
_DCT_METHOD = "INTEGER_ACCURATE"
# libjpeg interpolates chroma between neighbours, and at the border of a cropped region
# it has none: without a margin, pixels at the border of a crop differ by up to 48 of
# 255 from those of the whole image. One chroma sample is at most 4 pixels wide (4:1:1).
_CHROMA_MARGIN = 8
# Colour types of PNG from here on have an alpha channel; the others may name a
# transparent colour in a chunk tRNS. (The word in compressed data costs time only.)
_PNG_ALPHA = 4
_PNG_TRNS = r"\C*tRNS\C*"
# Red, green and blue of what shows behind transparent pixels.
WHITE = (255, 255, 255)
# Thousandths of red, green and blue in grey (ITU-R BT.601), which libpng rounds down.
_LUMA = (299, 587, 114)


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """How an image becomes the pixels of a model outside training.

    Attributes:
        image_size: Side S of the pixels.
        channels: C, 1 (grey) or 3 (RGB).
        crop_fraction: Side of the central square, as a fraction in (0, 1] of the
            image's shorter side.
        max_pixels: Largest image; None for what a server may be sent, see
            `pixel_limit.bound_pixels`.
        background: Red, green and blue behind transparent pixels, each in 0..255.
    """

    image_size: int
    channels: int
    crop_fraction: float
    max_pixels: int | None = pixel_limit.MOST_PIXELS
    background: tuple[int, int, int] = WHITE

    @classmethod
    def of(
        cls,
        model: keras.Model,
        crop_fraction: float,
        *,
        max_pixels: int | None = pixel_limit.MOST_PIXELS,
        background: tuple[int, int, int] = WHITE,
    ) -> "ImageSpec":
        """Returns the spec of a model's images.

        Args:
            model: Takes pixels [B, S, S, C] of a fixed size.
            crop_fraction: See `ImageSpec`.
            max_pixels: The same.
            background: The same.

        Raises:
            ValueError: The input is not such a batch of square images.
        """
        shape = model.input_shape
        if len(shape) != 4 or shape[1] is None or shape[1] != shape[2]:
            raise ValueError(
                f"Received a model with input shape {shape}; expected (batch, size, "
                "size, channels) with a fixed size."
            )
        return cls(shape[1], shape[3], crop_fraction, max_pixels, background)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image's pixels, (S, S, C)."""
        return self.image_size, self.image_size, self.channels


def decode_image(
    encoded: tf.Tensor,
    channels: int,
    max_pixels: int | None = pixel_limit.MOST_PIXELS,
    background: tuple[int, int, int] = WHITE,
) -> tf.Tensor:
    """All pixels of an image, upright.

    Args:
        encoded: Scalar string, the bytes of a JPEG or PNG file.
        channels: 1 (grey) or 3 (RGB); a file of the other kind is converted.
        max_pixels: See `pixel_limit.bound_pixels`.
        background: See `ImageSpec`.

    Returns:
        uint8 [H, W, channels].

    Raises:
        tf.errors.InvalidArgumentError: `encoded` is neither JPEG nor PNG, damaged, or
            has too many pixels (`pixel_limit`).
    """
    encoded = pixel_limit.bound_pixels(encoded, max_pixels)
    stored = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels, dct_method=_DCT_METHOD),
        lambda: decode_png(encoded, channels, background),
    )
    upright = exif_orientation.make_upright(
        stored, exif_orientation.read_orientation(encoded)
    )
    return tf.ensure_shape(upright, [None, None, channels])


def decode_png(
    encoded: tf.Tensor,
    channels: int,
    background: tuple[int, int, int] = WHITE,
) -> tf.Tensor:
    """The pixels of a PNG file, uint8 [H, W, channels], with what shows behind them.

    `a * c + (1 - a) * background`, rounded, for alpha `a` and colour `c`; where nothing
    is transparent these are the decoder's own pixels, bit for bit.
    """

    def blend():
        coloured = tf.io.decode_png(encoded, 4)
        if channels == 3:
            return _blend(coloured[:, :, :3], coloured[:, :, 3:], background)
        # libpng's own grey, which is that of images without alpha.
        grey = tf.io.decode_png(encoded, channels)
        return _blend(grey, coloured[:, :, 3:], (_to_grey(background),))

    return tf.cond(
        _may_be_transparent(encoded),
        blend,
        lambda: tf.io.decode_png(encoded, channels),
    )


def _may_be_transparent(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a PNG file has an alpha channel or (perhaps) a transparent colour."""
    header = tf.strings.join([tf.strings.substr(encoded, 0, 26), b"\0" * 26])
    kind = tf.io.decode_raw(tf.strings.substr(header, 25, 1), tf.uint8)[0]
    return (kind >= _PNG_ALPHA) | tf.strings.regex_full_match(encoded, _PNG_TRNS)


def _to_grey(colour: tuple[int, int, int]) -> int:
    return sum(w * c for w, c in zip(_LUMA, colour, strict=True)) // 1000


def _blend(
    colours: tf.Tensor, alpha: tf.Tensor, background: tuple[int, ...]
) -> tf.Tensor:
    colours, alpha = tf.cast(colours, tf.int32), tf.cast(alpha, tf.int32)
    behind = tf.constant(background, tf.int32)
    blended = (colours * alpha + behind * (255 - alpha) + 127) // 255
    return tf.cast(blended, tf.uint8)


def central_box(height: tf.Tensor, width: tf.Tensor, crop_fraction: float) -> tf.Tensor:
    """The central square whose side is `crop_fraction` of the shorter side.

    Args:
        height: Scalar int32.
        width: Scalar int32.
        crop_fraction: In (0, 1].

    Returns:
        int32 [4]: top, left, height, width.
    """
    shorter = tf.minimum(height, width)
    side = tf.cast(tf.round(tf.cast(shorter, tf.float32) * crop_fraction), tf.int32)
    side = tf.maximum(side, 1)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def decode_crop_and_resize(
    encoded: tf.Tensor,
    choose_box: BoxFunction,
    *,
    image_size: int,
    channels: int,
    max_pixels: int | None = pixel_limit.MOST_PIXELS,
    background: tuple[int, int, int] = WHITE,
) -> tf.Tensor:
    """The pixels inside a box of the upright image, resized to a square.

    Only the blocks of a JPEG that the box needs are decoded; the result is the same,
    bit for bit, as that of decoding the whole image, slicing it and calling `resize`.

    Args:
        encoded: Scalar string, the bytes of a JPEG or PNG file.
        choose_box: From height and width (scalar int32) to the box, int32 [4].
        image_size: Side S of the result in pixels.
        channels: 1 or 3.
        max_pixels: See `pixel_limit.bound_pixels`.
        background: See `ImageSpec`.

    Returns:
        float32 [S, S, channels] in 0..255.
    """
    encoded = pixel_limit.bound_pixels(encoded, max_pixels)
    orientation = exif_orientation.read_orientation(encoded)

    def choose_stored_box(height, width):
        upright = exif_orientation.orient_size(tf.stack([height, width]), orientation)
        box = choose_box(upright[0], upright[1])
        return exif_orientation.to_stored_box(box, upright, orientation)

    cropped = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _decode_and_crop_jpeg(encoded, choose_stored_box, channels),
        lambda: _crop(decode_png(encoded, channels, background), choose_stored_box),
    )
    cropped = exif_orientation.make_upright(cropped, orientation)
    cropped = tf.ensure_shape(cropped, [None, None, channels])
    return resize(cropped, image_size)


def preprocess_for_evaluation(encoded: tf.Tensor, spec: ImageSpec) -> tf.Tensor:
    """What a model sees of an encoded image outside training.

    Args:
        encoded: Scalar string, the bytes of a JPEG or PNG file.
        spec: Of the model's images.

    Returns:
        float32 [S, S, C] in 0..255.
    """
    return decode_crop_and_resize(
        encoded,
        lambda height, width: central_box(height, width, spec.crop_fraction),
        image_size=spec.image_size,
        channels=spec.channels,
        max_pixels=spec.max_pixels,
        background=spec.background,
    )


def preprocess_decoded(image: tf.Tensor, spec: ImageSpec) -> tf.Tensor:
    """`preprocess_for_evaluation` of an image that is already decoded.

    Args:
        image: [H, W, C], pixels in 0..255 of any numeric type.
        spec: Of the model's images.

    Returns:
        float32 [S, S, C] in 0..255.
    """
    return crop_and_resize(
        image,
        lambda height, width: central_box(height, width, spec.crop_fraction),
        image_size=spec.image_size,
    )


def crop_and_resize(
    image: tf.Tensor, choose_box: BoxFunction, *, image_size: int
) -> tf.Tensor:
    """`decode_crop_and_resize` of an image [H, W, C] that is already decoded."""
    return resize(_crop(image, choose_box), image_size)


def resize(image: tf.Tensor, image_size: int) -> tf.Tensor:
    """[H, W, C] of any numeric type to float32 [S, S, C], bilinear, antialiased."""
    return tf.image.resize(image, [image_size, image_size], "bilinear", antialias=True)


def _decode_and_crop_jpeg(
    encoded: tf.Tensor, choose_box: BoxFunction, channels: int
) -> tf.Tensor:
    shape = tf.io.extract_jpeg_shape(encoded)
    box = choose_box(shape[0], shape[1])
    begin, size = box[:2], box[2:]
    outer_begin = tf.maximum(begin - _CHROMA_MARGIN, 0)
    outer_end = tf.minimum(begin + size + _CHROMA_MARGIN, shape[:2])
    outer = tf.image.decode_and_crop_jpeg(
        encoded,
        tf.concat([outer_begin, outer_end - outer_begin], 0),
        channels,
        dct_method=_DCT_METHOD,
    )
    return _slice(outer, begin - outer_begin, size)


def _crop(image: tf.Tensor, choose_box: BoxFunction) -> tf.Tensor:
    shape = tf.shape(image)
    box = choose_box(shape[0], shape[1])
    return _slice(image, box[:2], box[2:])


def _slice(image: tf.Tensor, begin: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return image[begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1]]
