"""Images that occur twice: byte by byte, or to the eye and in two splits."""

import collections
import itertools
from collections.abc import Sequence
from concurrent import futures

import numpy as np

from adafilter_tf.data.decoding import conversion, preprocessing
from adafilter_tf.data.inspection.facts import LabelledImage

Pair = tuple[LabelledImage, LabelledImage]

# Of 64 bits of a difference hash: so many differ at most between two scales or
# compressions of one photograph. Two that differ may be as near, hence the second look.
_MAX_DISTANCE = 6
_MAX_CANDIDATES = 2000
_SIDE = 32
_MIN_CORRELATION = 0.98
# Of mean absolute values, 0..255.
_MAX_DIFFERENCE = 16.0
_FLAT = 1.0
_BLOCK = 256


def find_copies(images: Sequence[LabelledImage]) -> list[list[LabelledImage]]:
    """Returns groups of images with the same bytes, those in most splits first."""
    groups = collections.defaultdict(list)
    for image in images:
        if image.usable:
            groups[image.entry.sha256].append(image)
    copies = [group for group in groups.values() if len(group) > 1]
    return sorted(copies, key=lambda group: -len(_splits_of(group)))


def find_alike(images: Sequence[LabelledImage]) -> tuple[list[Pair], bool]:
    """Finds images that look the same in two of train, validation and test.

    Candidates have nearly the same difference hash; of these the pixels are compared at
    32 x 32, grey. Smaller images, such as drawn digits, are often alike without being
    the same, and are left out. Copies byte by byte are left to `find_copies`.

    Returns:
        Pairs, the most alike first, and whether all candidates were compared.
    """
    candidates = _list_candidates(images)
    compared = candidates[:_MAX_CANDIDATES]
    paths = dict.fromkeys(image.entry.path for pair in compared for image in pair)
    with futures.ThreadPoolExecutor() as pool:
        pixels = dict(zip(paths, pool.map(_read_small, paths), strict=True))
    alike = [
        pair
        for pair in compared
        if _are_alike(*(pixels[image.entry.path] for image in pair))
    ]
    return alike, len(compared) == len(candidates)


def crosses_splits(group: Sequence[LabelledImage]) -> bool:
    """Returns whether images stand in more than one of train, validation and test."""
    return len(_splits_of(group)) > 1


def disagrees(group: Sequence[LabelledImage]) -> bool:
    """Returns whether images have different labels."""
    return len({image.class_name for image in group}) > 1


def _splits_of(group) -> set[str]:
    return {image.split for image in group} - {"unused"}


def _list_candidates(images) -> list[Pair]:
    by_split = collections.defaultdict(list)
    for image in images:
        large = min(image.entry.height, image.entry.width) >= _SIDE
        if image.usable and large and image.split != "unused":
            by_split[image.split].append(image)
    found: list[tuple[int, int, Pair]] = []
    for first, second in itertools.combinations(by_split.values(), 2):
        others = _to_numbers(second)
        for start in range(0, len(first), _BLOCK):
            block = _to_numbers(first[start : start + _BLOCK])
            distances = np.bitwise_count(block[:, np.newaxis] ^ others)
            for i, j in zip(*np.nonzero(distances <= _MAX_DISTANCE), strict=True):
                pair = first[start + i], second[j]
                if pair[0].entry.sha256 != pair[1].entry.sha256:
                    found.append((int(distances[i, j]), len(found), pair))
    return [pair for _, _, pair in sorted(found)]


def _to_numbers(images) -> np.ndarray:
    hashes = [int(image.entry.difference_hash, 16) for image in images]
    return np.array(hashes, np.uint64)


def _read_small(path: str) -> np.ndarray | None:
    """Grey pixels [32, 32], upright; None for a file that has broken meanwhile."""
    image, reason = conversion.read_image(
        path, lambda encoded: preprocessing.decode_image(encoded, 3), channels=3
    )
    if reason is not None:
        return None
    return preprocessing.resize(image, _SIDE).numpy().mean(-1)


def _are_alike(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return False
    if np.abs(first - second).mean() > _MAX_DIFFERENCE:
        return False
    deviations = first - first.mean(), second - second.mean()
    norms = [np.sqrt(np.mean(deviation**2)) for deviation in deviations]
    if min(norms) < _FLAT:
        return max(norms) < _FLAT and np.abs(first - second).mean() < _FLAT
    correlation = np.mean(deviations[0] * deviations[1]) / (norms[0] * norms[1])
    return bool(correlation >= _MIN_CORRELATION)
