"""MIT Indoor-67: 67 scenes, the official 80 training and 20 test images per class.

Quattoni and Torralba, "Recognizing Indoor Scenes", CVPR 2009. The official split uses
6,700 of the images.
"""

import pathlib
from collections.abc import Iterator

from adafilter_tf import errors
from tools.paper import archives, conversion

_LISTS = {"TrainImages.txt": "train", "TestImages.txt": "test"}


def read(paths: list[pathlib.Path]) -> Iterator[conversion.Image]:
    """Yields the listed images of indoorCVPR_09.tar.

    Args:
        paths: The archive, TrainImages.txt and TestImages.txt, in any order.
    """
    by_name = {path.name: path for path in paths}
    missing = [name for name in _LISTS if name not in by_name]
    rest = [path for path in paths if path.name not in _LISTS]
    if missing or len(rest) != 1:
        raise errors.UsageError(
            "indoor67 needs three files in --archive: indoorCVPR_09.tar, "
            f"TrainImages.txt and TestImages.txt (received {', '.join(by_name)})."
        )
    splits = {}
    for name, split in _LISTS.items():
        for line in by_name[name].read_text("utf-8", "surrogateescape").splitlines():
            splits[line.strip()] = split
    for member, read_member in archives.members(rest[0], r"Images/[^/]+/[^/]+"):
        name = member.removeprefix("Images/")
        if name in splits:
            class_name, file = name.split("/")
            # Two files may differ in their endings alone, so the name keeps its own.
            yield conversion.Image(splits[name], class_name, file, read_member)
