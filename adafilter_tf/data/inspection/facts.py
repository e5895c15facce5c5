"""What is known of a data set: classes, splits, sizes, formats, what is broken."""

import collections
import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from adafilter_tf.data.examples import Examples
from adafilter_tf.data.integrity import manifest, scan, verification
from adafilter_tf.data.integrity.manifest import ImageEntry

_COLOURS = {1: "grey", 2: "grey with alpha", 3: "RGB"}


@dataclasses.dataclass(frozen=True)
class LabelledImage:
    """One image of a data set.

    Attributes:
        entry: What the scan found.
        class_name: Its label.
        split: "train", "validation", "test", or "unused".
    """

    entry: ImageEntry
    class_name: str
    split: str

    @property
    def usable(self) -> bool:
        """Whether it can be trained on."""
        return self.entry.status == manifest.OK


def collect_images(
    source: Mapping[str, Examples],
    splits: Mapping[str, Examples],
    cache: str | os.PathLike | None,
    *,
    channels: int,
    max_pixels: int,
) -> list[LabelledImage]:
    """Scans every image of a data set.

    Args:
        source: All images.
        splits: Those of a run, which may leave some out.
        cache: Manifest that makes a second look quick.
        channels: Of the images of the run, 1 or 3.
        max_pixels: See `verification.Rule`.
    """
    split_of = {path: name for name, of in splits.items() for path in of.paths}
    labelled = [
        (path, examples.class_names[label])
        for examples in source.values()
        for path, label in zip(examples.paths, examples.labels, strict=True)
    ]
    entries = scan.scan_images([path for path, _ in labelled], cache=cache)
    return [
        LabelledImage(
            _judge(entry, channels, max_pixels),
            class_name,
            split_of.get(entry.path, "unused"),
        )
        for entry, (_, class_name) in zip(entries, labelled, strict=True)
    ]


def _judge(entry: ImageEntry, channels: int, max_pixels: int) -> ImageEntry:
    """The entry with the status that a run would give it."""
    reason = verification.reason_against(entry, channels, max_pixels)
    return dataclasses.replace(entry, status=reason or manifest.OK)


def summarize(
    images: Sequence[LabelledImage], class_names: Sequence[str], image_size: int
) -> dict:
    """Returns the numbers that a report shows; broken images count in no class.

    Args:
        images: All of them.
        class_names: Also of classes without images.
        image_size: Side in pixels that a model will see.
    """
    usable = [image for image in images if image.usable]
    entries = [image.entry for image in usable]
    splits = [name for name in ("train", "validation", "test", "unused")
              if any(image.split == name for image in images)]  # fmt: skip
    counts = collections.Counter((image.class_name, image.split) for image in usable)
    formats = collections.Counter(_name_format(entry) for entry in entries)
    sides = {
        name: _spread([getattr(entry, name) for entry in entries])
        for name in ("height", "width")
    }
    return {
        "images": len(images),
        "bytes": sum(image.entry.bytes for image in images),
        "splits": {
            name: sum(image.split == name for image in usable) for name in splits
        },
        "classes": {
            name: {split: counts[name, split] for split in splits}
            for name in class_names
        },
        **sides,
        "smaller_than_image_size": sum(
            min(entry.height, entry.width) < image_size for entry in entries
        ),
        "image_size": image_size,
        "formats": dict(formats.most_common()),
        "turned_by_exif": sum(entry.orientation > 1 for entry in entries),
        "noted": [
            {"path": image.entry.path, "reason": image.entry.note}
            for image in usable
            if image.entry.note
        ],
        "broken": [
            {"path": image.entry.path, "reason": image.entry.status}
            for image in images
            if not image.usable
        ],
    }


def _spread(values: list[int]) -> dict[str, int] | None:
    if not values:
        return None
    return {
        "smallest": min(values),
        "median": int(np.median(values)),
        "largest": max(values),
    }


def _name_format(entry: ImageEntry) -> str:
    four = "CMYK" if entry.format == "JPEG" else "RGB with alpha"
    return f"{entry.format} {_COLOURS.get(entry.channels, four)}"
