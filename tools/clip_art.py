"""Drawings and photographs in colour that Debian ships: Openclipart, Tux Paint."""

import pathlib
import re
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

# Drawings of things and of signs, each with the folders within the categories.
OPENCLIPART_THINGS = (
    "animals",
    "buildings",
    "electronics",
    "food",
    "people",
    "plants",
    "recreation",
    "tools",
    "transportation",
)
OPENCLIPART_SIGNS = ("computer", "shapes", "signs_and_symbols")
# Signs in the category of transportation; the first are map symbols, too.
_SIGN_FOLDERS = ("aiga-symbols", "roadsigns")

_OPENCLIPART_ROOT = "usr/share/openclipart/png"
_TUXPAINT_ROOT = "usr/share/tuxpaint/stamps"
_FIRST_WORD = re.compile("[a-z]+")
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


def read_openclipart_things(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields larger drawings of things; classes are folders within the categories."""
    kinds = _read_kinds(path, _OPENCLIPART_ROOT, OPENCLIPART_THINGS)
    return (i for i in kinds if i.class_name.partition("-")[2] not in _SIGN_FOLDERS)


def read_openclipart_signs(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields larger drawings of signs; classes are folders within the categories."""
    return _read_kinds(path, _OPENCLIPART_ROOT, OPENCLIPART_SIGNS)


def read_tuxpaint_kinds(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields larger stamps; classes are folders within the categories.

    Stamps are left out whose mirrored name says that they are drawn twice.
    """
    kinds = _read_kinds(path, _TUXPAINT_ROOT, TUXPAINT_CATEGORIES)
    return (image for image in kinds if _MIRROR_SUFFIX not in image.name)


def _read_kinds(path, root, categories):
    """Yields images of their own size whose class is `category-folder`.

    Those that lie in no folder of a category are left out. Drawings of a class whose
    names begin with the same word are one group: cone1_bw, cone_alt and cone_chocolate.
    """
    for (category, *parts), image in _read(
        path, root, categories, task_images.MAX_IMAGE_SIZE
    ):
        if len(parts) > 1 and tuple(parts[:2]) != _CARDS_FOLDER:
            file = pathlib.PurePath(parts[-1])
            name = "-".join([*parts[1:-1], file.name.replace(".", "-")])
            words = task_images.drawing_name(file.stem)
            group = first[0] if (first := _FIRST_WORD.match(words)) else words
            yield task_images.TaskImage(f"{category}-{parts[0]}", name, group, image)


def _read(path, root, categories, max_size=None):
    """Yields the parts of the path below `root`, the category first, and the pixels."""
    unusable = []
    for name, content in packages.read(path, f"{root}/*"):
        file = pathlib.PurePath(name)
        parts = file.relative_to(root).parts
        if parts[0] not in categories or file.suffix not in (".png", ".svg"):
            continue
        try:
            yield parts, task_images.decode(content, file.suffix, max_size=max_size)
        except task_images.UnusableImageError as error:
            unusable.append(f"{file.name}: {error}")
    if unusable:
        logging.warning(
            "%s: %d files left out, the first %s", path.name, len(unusable), unusable[0]
        )


def _name_and_group(parts: Sequence[str]) -> tuple[str, str]:
    stem = pathlib.PurePath(parts[-1]).stem
    return "-".join([*parts[:-1], stem]), task_images.base_name(stem)
