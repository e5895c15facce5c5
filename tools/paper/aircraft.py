"""FGVC Aircraft: 100 variants, the official three splits (Maji et al. 2013)."""

import pathlib
from collections.abc import Iterator

from adafilter_tf import errors
from tools.paper import archives, conversion

_FOLDER = r"fgvc-aircraft-2013b/data/"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def read(paths: list[pathlib.Path]) -> Iterator[conversion.Image]:
    """Yields the images of fgvc-aircraft-2013b.tar.gz, labelled by variant."""
    lists = archives.texts(paths[0], _FOLDER + r"images_variant_(train|val|test)\.txt")
    found = {}
    for name, split in _SPLITS.items():
        file = f"images_variant_{name}.txt"
        if file not in lists:
            raise errors.RunError(f"{paths[0]} has no {file}; it is another archive.")
        for line in lists[file].splitlines():
            number, _, variant = line.strip().partition(" ")
            found[number] = split, variant
    for member, read_member in archives.members(paths[0], _FOLDER + r"images/\d+\.jpg"):
        number = pathlib.PurePosixPath(member).stem
        if number in found:
            yield conversion.Image(*found[number], number, read_member)
