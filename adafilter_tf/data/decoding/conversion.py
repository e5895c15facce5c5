"""Images that Pillow reads and the model's own decoder does not, as PNG files.

A file is converted once: the result is kept below a folder for data sets under the
SHA-256 of its content, where every later epoch, run and worker finds it.
"""

import contextlib
import hashlib
import io
import os
import pathlib
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from adafilter_tf.data.decoding import image_format, pixel_limit
from adafilter_tf.files import atomic

# Part of the folder's name: what is converted by other rules is not mixed up.
_VERSION = 1
# They start other programs, or hold no picture of their own.
_NOT_OPENED = ("EPS", "PDF", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "FITS")
_GREY_MODES = ("1", "L", "I;16", "I;16L", "I;16B", "I;16N", "I", "F")

_data_dir: str | None = None


class _RefusedError(ValueError):
    """An image that could be decoded, but not to anything useful."""


def read_bytes(path: tf.Tensor) -> tf.Tensor:
    """The content of an image file as JPEG or PNG, in a graph.

    Args:
        path: Scalar string.

    Raises:
        tf.errors.InvalidArgumentError: The file is of no kind that can be converted.
    """
    encoded = tf.io.read_file(path)
    return tf.cond(
        pixel_limit.is_jpeg_or_png(encoded),
        lambda: encoded,
        # Not stateful: it runs on all cores and in any order.
        lambda: tf.ensure_shape(
            tf.numpy_function(_convert, [encoded], tf.string, stateful=False), []
        ),
    )


def convert(encoded: bytes) -> tuple[bytes, None] | tuple[None, str]:
    """A JPEG or PNG file of the first image and None; or None and the reason.

    JPEG and PNG files stay as they are. Others become upright PNG files of grey or RGB,
    with alpha if they have it.
    """
    if image_format.suffix_of(encoded) is not None:
        return encoded, None
    if not image_format.may_be_image(encoded):
        return None, image_format.explain(encoded)
    cached = _cache_path(encoded)
    with contextlib.suppress(OSError):
        return cached.read_bytes(), None
    try:
        converted = _to_png(encoded)
    except _RefusedError as error:
        return None, f"{image_format.describe(encoded)} with {error}"
    except Exception:  # Pillow's plug-ins raise anything
        return None, image_format.explain(encoded)
    _keep(converted, cached)
    return converted, None


def _convert(encoded: bytes | np.ndarray) -> bytes:
    # Outside a graph it is an array of one object.
    content = encoded if isinstance(encoded, bytes) else encoded.item()
    converted, reason = convert(content)
    if converted is None:
        raise ValueError(reason)  # an InvalidArgumentError of the graph
    return converted


def _to_png(encoded: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's own limit, which is higher
        _register_plugins()
        Image.init()
        formats = [name for name in Image.OPEN if name not in _NOT_OPENED]
        with Image.open(io.BytesIO(encoded), formats=formats) as image:
            num_pixels = image.width * image.height
            if num_pixels > pixel_limit.MOST_PIXELS:
                raise _RefusedError(
                    pixel_limit.explain_excess(num_pixels, pixel_limit.MOST_PIXELS)
                )
            image.seek(0)
            upright = ImageOps.exif_transpose(image)
            stream = io.BytesIO()
            _to_common_mode(upright).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _to_common_mode(image: Image.Image) -> Image.Image:
    """8-bit grey or RGB, with alpha if the image has some."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        # 16 bits keep their upper 8, as in PNG files.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 65535 or (image.mode == "F" and high <= 1):
            raise _RefusedError(f"values from {low} to {high}; save it with 8 bits")
        scale = 256 if high > 255 else 1
        return image.point(lambda value: value / scale).convert("L")
    if image.has_transparency_data:
        return image.convert("LA" if image.mode == "LA" else "RGBA")
    return image.convert("L" if image.mode in _GREY_MODES else "RGB")


def _register_plugins() -> None:
    """HEIC, where its plug-in is installed."""
    with contextlib.suppress(ImportError):
        import pillow_heif  # type: ignore[import-not-found]  # optional

        pillow_heif.register_heif_opener()


def _cache_path(encoded: bytes) -> pathlib.Path:
    digest = hashlib.sha256(encoded).hexdigest()
    return cache_folder() / digest[:2] / f"{digest}.png"


def keep_below(data_dir: str | None) -> None:
    """Sets where this process keeps converted images.

    Args:
        data_dir: A folder for data sets; None for TFDS' default.
    """
    global _data_dir
    _data_dir = data_dir


def cache_folder() -> pathlib.Path:
    """Where converted images are kept, see `keep_below`."""
    default = os.environ.get("TFDS_DATA_DIR", os.path.join("~", "tensorflow_datasets"))
    root = os.path.expanduser(_data_dir or default)
    return pathlib.Path(root) / "adafilter_tf" / "converted" / f"v{_VERSION}"


def _keep(converted: bytes, path: pathlib.Path) -> None:
    """Writes a converted image for the next time, where that is possible."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path, shared=True) as temporary:
            temporary.write_bytes(converted)


def read_image(
    path: str,
    decode: Callable,
    *,
    channels: int,
    max_pixels: int | None = None,
) -> tuple:
    """Reads and decodes a file without an exception for what may be wrong with it.

    Args:
        path: Of an image file.
        decode: From the bytes of a JPEG or PNG file, scalar string, to whatever is
            wanted.
        channels: To which `decode` decodes.
        max_pixels: More than these `decode` refuses; None for `MOST_PIXELS`.

    Returns:
        What `decode` gives and None; or None and the reason, part of a sentence.
    """
    encoded, reason = image_format.read_file(path)
    if encoded is not None:
        encoded, reason = convert(encoded)
    if encoded is None:
        return None, reason
    try:
        return decode(tf.constant(encoded)), None
    except tf.errors.InvalidArgumentError:
        return None, image_format.explain(
            encoded,
            channels=channels,
            max_pixels=max_pixels or pixel_limit.MOST_PIXELS,
        )
