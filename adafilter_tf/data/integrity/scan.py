"""Every image of a data set looked at once, so that none fails hours later."""

import hashlib
import os
import struct
import time
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf.data.decoding import (
    conversion,
    exif_orientation,
    image_format,
    pixel_limit,
    preprocessing,
)
from adafilter_tf.data.integrity import manifest
from adafilter_tf.data.integrity.manifest import ImageEntry

_LOG_EVERY = 10.0  # seconds
# Shorter side of what is decoded of a JPEG: its blocks of 8 x 8 pixels need not be
# spread out to be read to the end, and a difference hash needs 9 columns.
_DECODED_SIDE = 32
_HASH_SIDE = 8
_FORMATS = {".jpg": "JPEG", ".png": "PNG"}
_PNG_DEPTH = 24  # the byte of the bits per sample
_EXIF_ALONE = b"Exif\0\0"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def scan_images(
    paths: Sequence[str], *, cache: str | os.PathLike | None = None
) -> tuple[ImageEntry, ...]:
    """Looks at every file, on all cores; logs how far it is.

    Damage that leaves a JPEG decodable (a wrong byte in the middle) is not found: no
    decoder reports it.

    Args:
        paths: Of the files.
        cache: Manifest of an earlier scan, whose entries are taken for the files that
            have the same size and time; then written anew, also when a scan is
            interrupted.

    Returns:
        An entry for each path, in the same order.
    """
    known = manifest.read_manifest(cache) if cache else {}
    found = {path: known[path] for path in paths if _is_current(known.get(path))}
    unknown = [path for path in dict.fromkeys(paths) if path not in found]
    try:
        _examine_all(unknown, found)
    finally:
        if cache and unknown:
            _save({**known, **found}.values(), cache)
    return tuple(found[path] for path in paths)


def examine_image(path: str) -> ImageEntry:
    """Reads one file and decodes it, without an exception for what may be wrong."""
    encoded, reason = image_format.read_file(path)
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        reason = reason or "it vanished while it was read"
    if encoded is None or reason is not None:
        return ImageEntry(path, status=str(reason))
    entry: dict[str, Any] = {
        "path": path,
        "bytes": len(encoded),
        "modified": status.st_mtime_ns,
        "sha256": hashlib.sha256(encoded).hexdigest(),
    }
    suffix = image_format.suffix_of(encoded)
    kind = _FORMATS[suffix] if suffix else image_format.name_format(encoded)
    encoded, reason = conversion.convert(encoded)
    if encoded is None:
        return ImageEntry(**entry, status=str(reason))
    suffix, entry["format"] = suffix or ".png", kind
    try:
        height, width, entry["channels"] = _read_header(encoded, suffix)
        orientation = exif_orientation.read_orientation(encoded)
        entry["orientation"] = int(orientation)
        upright = exif_orientation.orient_size(tf.stack([height, width]), orientation)
        entry["height"], entry["width"] = (int(side) for side in upright)
        pixels = _decode_small(pixel_limit.bound_pixels(encoded), suffix, height, width)
        pixels = exif_orientation.make_upright(pixels, orientation)
        entry["difference_hash"] = _hash_differences(pixels.numpy())
        entry["note"] = _note_pixels(encoded, suffix, pixels.numpy())
    except (tf.errors.InvalidArgumentError, struct.error):
        return ImageEntry(**entry, status=image_format.explain(encoded))
    return ImageEntry(**entry)


def _is_current(entry: ImageEntry | None) -> bool:
    if entry is None or not entry.sha256:
        return False
    try:
        status = os.stat(entry.path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (entry.bytes, entry.modified)


def _examine_all(paths: list[str], found: dict[str, ImageEntry]) -> None:
    """Adds an entry for each path to `found`."""
    exif_orientation.read_orientation(_EXIF_ALONE)  # traced once, not by each thread
    start = last_log = time.monotonic()
    with futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        try:
            for done, entry in enumerate(pool.map(examine_image, paths), 1):
                found[entry.path] = entry
                now = time.monotonic()
                if now - last_log > _LOG_EVERY:
                    last_log = now
                    left = (now - start) / done * (len(paths) - done)
                    logging.info(
                        "Checked %d of %d images, %.0f s left.", done, len(paths), left
                    )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _save(entries, cache) -> None:
    try:
        manifest.write_manifest(entries, cache)
    except OSError as error:
        logging.warning(
            "What the images are like cannot be kept in %s (%s): the next run looks at "
            "them again. Choose another folder with --data_dir.",
            cache,
            error.strerror,
        )


def _read_header(encoded: bytes, suffix: str) -> tuple[int, int, int]:
    if suffix == ".jpg":
        height, width, channels = tf.io.extract_jpeg_shape(encoded).numpy().tolist()
        return height, width, channels
    width, height, _, kind = struct.unpack_from(">IIBB", encoded, 16)
    return (
        min(height, tf.int32.max),
        min(width, tf.int32.max),
        _PNG_CHANNELS.get(kind, 0),
    )


def _decode_small(encoded: tf.Tensor, suffix: str, height: int, width: int):
    if suffix == ".png":
        return preprocessing.decode_png(encoded, 3)
    ratios = (
        ratio for ratio in (8, 4, 2) if min(height, width) >= ratio * _DECODED_SIDE
    )
    return tf.io.decode_jpeg(encoded, 3, ratio=next(ratios, 1))


def _note_pixels(encoded: bytes, suffix: str, pixels: np.ndarray) -> str:
    """What is strange about decodable pixels; empty if nothing is."""
    if suffix == ".png" and encoded[_PNG_DEPTH] == 16:
        highest = int(tf.reduce_max(tf.io.decode_png(encoded, dtype=tf.uint16)))
        if highest < 2**12:
            return f"16 bits that hold values up to {highest} only: nearly black"
    if pixels.min(axis=(0, 1)).tolist() != pixels.max(axis=(0, 1)).tolist():
        return ""
    if suffix == ".jpg":  # what was decoded is a part of the pixels
        pixels = preprocessing.decode_image(tf.constant(encoded), 3).numpy()
        if pixels.min(axis=(0, 1)).tolist() != pixels.max(axis=(0, 1)).tolist():
            return ""
    return "one colour everywhere"


def _hash_differences(pixels: np.ndarray) -> str:
    """Whether each of 8 x 8 means is darker than the one on its right, as 64 bits.

    It hardly changes when an image is scaled or compressed. Source: N. Krawetz, Kind of
    Like That (2013), "dHash".
    """
    means = _average(pixels.mean(-1, dtype=np.float32), _HASH_SIDE, _HASH_SIDE + 1)
    bits = means[:, 1:] > means[:, :-1]
    return np.packbits(bits).tobytes().hex()


def _average(image: np.ndarray, *sides: int) -> np.ndarray:
    """Means of an image [H, W] over a grid; cells of less than a pixel repeat it."""
    for axis, side in enumerate(sides):
        length = image.shape[axis]
        edges = np.arange(side) * length // side
        counts = np.maximum(np.diff(edges, append=length), 1)
        sums = np.add.reduceat(image, edges, axis)
        image = sums / np.expand_dims(counts, 1 - axis)
    return image
