"""Drawings and photographs in colour that Debian ships: Openclipart, Tux Paint."""

import pathlib
from collections.abc import Iterator, Sequence

from absl import logging

from adafilter_tf.files import packages
from tools import task_images

OPENCLIPART = packages.Package(
    "apt-get",
    "openclipart-png",
    "1:0.18+dfsg-19",
    "openclipart-png_1%3a0.18+dfsg-19_all.deb",
    "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
    "Open Clip Art Library, by its many authors",
    "public domain (Creative Commons Public Domain Dedication)",
)
TUXPAINT = packages.Package(
    "apt-get",
    "tuxpaint-stamps-default",
    "2022.06.04-1",
    "tuxpaint-stamps-default_2022.06.04-1_all.deb",
    "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    "Tux Paint stamps, collected by Bill Kendrick",
    "GPL 2 or later",
)

# Folders of Openclipart: the target's categories; the source model sees the others.
TARGET_CATEGORIES = (
    "animals",
    "geography",
    "office",
    "plants",
    "recreation",
    "tools",
    "transportation",
)
SOURCE_CATEGORIES = (
    "buildings",
    "computer",
    "education",
    "electronics",
    "food",
    "people",
    "shapes",
    "signs_and_symbols",
)

# Four packs of playing cards, alike but for a number: they would leak into the test.
_CARDS_FOLDER = ("games", "cards")
# Without symbols: letters in several languages, and small categories.
TUXPAINT_CATEGORIES = (
    "animals",
    "clothes",
    "food",
    "household",
    "people",
    "plants",
    "seasonal",
    "town",
    "vehicles",
)

_OPENCLIPART_ROOT = "usr/share/openclipart/png"
_TUXPAINT_ROOT = "usr/share/tuxpaint/stamps"
_MIRROR_SUFFIX = "_mirror"


def read_openclipart_target(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields the target's drawings; classes are the categories."""
    for (category, *parts), image in _read(path, _OPENCLIPART_ROOT, TARGET_CATEGORIES):
        if tuple(parts[:2]) != _CARDS_FOLDER:
            yield task_images.TaskImage(category, *_name_and_group(parts), image)


def read_openclipart_source(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields the source's drawings; classes are the folders within the categories."""
    for (category, *parts), image in _read(path, _OPENCLIPART_ROOT, SOURCE_CATEGORIES):
        class_name = "_".join(["openclipart", category, *parts[:-1][:1]])
        yield task_images.TaskImage(class_name, *_name_and_group(parts), image)


def read_tuxpaint(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields stamps without mirrored ones; classes are the outer folders."""
    for (category, *parts), image in _read(path, _TUXPAINT_ROOT, TUXPAINT_CATEGORIES):
        name, group = _name_and_group(parts)
        if not name.endswith(_MIRROR_SUFFIX):
            yield task_images.TaskImage(category, name, group, image)


def _read(path, root, categories):
    """Yields the parts of the path below `root`, the category first, and the pixels."""
    unusable = []
    for name, content in packages.read(path, f"{root}/*"):
        file = pathlib.PurePath(name)
        parts = file.relative_to(root).parts
        if parts[0] not in categories or file.suffix not in (".png", ".svg"):
            continue
        try:
            yield parts, task_images.decode(content, file.suffix)
        except task_images.UnusableImageError as error:
            unusable.append(f"{file.name}: {error}")
    if unusable:
        logging.warning(
            "%s: %d files left out, the first %s", path.name, len(unusable), unusable[0]
        )


def _name_and_group(parts: Sequence[str]) -> tuple[str, str]:
    stem = pathlib.PurePath(parts[-1]).stem
    return "-".join([*parts[:-1], stem]), task_images.base_name(stem)
