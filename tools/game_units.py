"""Units of a game: the small figures of Battle for Wesnoth."""

import pathlib
import re
from collections.abc import Iterator

from adafilter_tf.files import packages
from tools import task_images

WESNOTH = packages.Package(
    "apt-get",
    "wesnoth-1.16-data",
    "1:1.16.9-1",
    "wesnoth-1.16-data_1%3a1.16.9-1_all.deb",
    "1012b964bd412a6770685e3324ae3b61e176caff7846192d1ee63d55cd621e26",
    "The Battle for Wesnoth, by its many artists",
    "GPL 2 or later",
)

_ROOT = "usr/share/games/wesnoth/1.16/data/core"
_IMAGE = re.compile(r'^\s*image="?units/([^"~:{\[\n]+)\.png', re.MULTILINE)
_RACE = re.compile(r"^\s*race=(\w+)", re.MULTILINE)
# A definition's own macro for the folder of its pictures.
_FOLDER = re.compile(r"#define PATH_TEMP\s+(\S+?)\s*#enddef")
_GENDER = re.compile(r"\+(female|male)$")


def read(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields the standing figures of each unit; classes are the races of the game.

    A unit's definition names its figure first, and the frames of its movements later.
    Male and female figures of a unit are one group.
    """
    races, images = {}, {}
    for name, content in packages.read(path, f"{_ROOT}/*units/*"):
        if name.endswith(".cfg"):
            text = content.decode("utf-8")
            if folder := _FOLDER.search(text):
                text = text.replace("{PATH_TEMP}", folder[1])
            figure, race = _IMAGE.search(text), _RACE.search(text)
            if figure and race:
                races[figure[1]] = race[1]
        elif name.endswith(".png"):
            key = name.removeprefix(f"{_ROOT}/images/units/").removesuffix(".png")
            images[key] = content
    for key, content in images.items():
        unit = _GENDER.sub("", key)
        if unit in races:
            pixels = task_images.decode(
                content, ".png", max_size=task_images.MAX_IMAGE_SIZE
            )
            name = key.replace("/", "-")
            yield task_images.TaskImage(races[unit], name, unit, pixels)
