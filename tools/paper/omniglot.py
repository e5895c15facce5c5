"""Omniglot: all 1,623 characters, each drawn by 20 people (Lake et al. 2015).

The official parts have different characters, which suits few-shot learning and not
classification. Ours: of each character the drawings 01 to 11 are for training, 12 to 15
for validation, 16 to 20 for the test. The numbers are those of people, so nobody's
drawings of an alphabet are in two splits. The counts equal those of the Visual Domain
Decathlon, whose test labels are not public and whose choice of drawings is another.
"""

import pathlib
from collections.abc import Iterator

from adafilter_tf import errors
from tools.paper import archives, conversion

_FILES = ("images_background.zip", "images_evaluation.zip")
_DRAWINGS = (
    r"images_(background|evaluation)/[^/]+/character\d+/"
    r"\d{4}_(0[1-9]|1\d|20)\.png"
)


def read(paths: list[pathlib.Path]) -> Iterator[conversion.Image]:
    """Yields the drawings of images_background.zip and images_evaluation.zip."""
    received = sorted(path.name for path in paths)
    if received != sorted(_FILES):
        raise errors.UsageError(
            f"omniglot needs {' and '.join(_FILES)} in --archive (received "
            f"{', '.join(received)})."
        )
    for path in paths:
        for member, read_member in archives.members(path, _DRAWINGS):
            _, alphabet, character, file = member.split("/")
            stem = file.removesuffix(".png")
            split = split_of(int(stem[-2:]))
            class_name = f"{alphabet}_{character}"
            yield conversion.Image(split, class_name, stem, read_member)


def split_of(drawer: int) -> str:
    """Returns the split of the drawings of a person, 1..20."""
    return "train" if drawer <= 11 else "validation" if drawer <= 15 else "test"
