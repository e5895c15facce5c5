"""How many images of another data set a run was trained on."""

import dataclasses
import os
from collections.abc import Mapping, Sequence

from absl import logging

from adafilter_tf.data.examples import Examples
from adafilter_tf.data.inspection import duplicates
from adafilter_tf.data.inspection.facts import LabelledImage
from adafilter_tf.data.integrity import scan


@dataclasses.dataclass(frozen=True)
class Leak:
    """What evaluation images share with training images.

    Attributes:
        copies: Images with the bytes of a training image, under any path.
        alike: Further images that look like a training image; None if no training
            image is left to compare with.
    """

    copies: int
    alike: int | None


def find_leak(
    examples: Examples,
    trained: Examples,
    digests: Mapping[str, str],
    *,
    cache: str | os.PathLike | None = None,
    trained_cache: str | os.PathLike | None = None,
) -> Leak:
    """Compares images with the training images of a run, by content and by look.

    Args:
        examples: The images that evaluate the run.
        trained: The run's training images; some may be gone.
        digests: SHA-256 of the run's images by path, see `image_record.read_digests`.
        cache: Manifest of the first images.
        trained_cache: Manifest of the run's data set.
    """
    left = [path for path in trained.paths if os.path.isfile(path)]
    found = scan.scan_images(left, cache=trained_cache)
    known = {digests[path] for path in trained.paths if path in digests}
    # A training image that has changed since counts as it was and as it is.
    known |= {entry.sha256 for entry in found if entry.sha256}
    others = [
        LabelledImage(entry, "", "test")
        for entry in scan.scan_images(examples.paths, cache=cache)
    ]
    different = [image for image in others if image.entry.sha256 not in known]
    return Leak(
        copies=len(others) - len(different),
        alike=_count_alike(found, different) if found else None,
    )


def _count_alike(trained: Sequence, images: Sequence[LabelledImage]) -> int:
    labelled = [LabelledImage(entry, "", "train") for entry in trained]
    pairs, complete = duplicates.find_alike([*labelled, *images])
    if not complete:
        logging.warning("More images than counted may look like training images.")
    return len({second.entry.path for _, second in pairs})
