"""Icons of a desktop: the Oxygen theme of KDE."""

import pathlib
import re
from collections.abc import Iterator

from adafilter_tf.files import packages
from tools import task_images

OXYGEN = packages.Package(
    "apt-get",
    "oxygen-icon-theme",
    "5:5.103.0-1",
    "oxygen-icon-theme_5%3a5.103.0-1_all.deb",
    "3e49023e148906e41457a98a19a09858ddd761ef4f212fa356232924b3cebcce",
    "Oxygen icons of KDE, by Nuno Pinheiro and others",
    "LGPL 3 or later",
)

_ROOT = "usr/share/icons/oxygen/base/128x128"
_TEMPLATE = re.compile(r"[-.]template$")


def read(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields the icons of 128x128 pixels; classes are the contexts of the theme.

    An icon with several names is read once. A document and its template are one group,
    and so are icons that differ in a number, color or direction.
    """
    for name, content in packages.read(path, f"{_ROOT}/*.png"):
        file = pathlib.PurePath(name)
        pixels = task_images.decode(
            content, ".png", max_size=task_images.MAX_IMAGE_SIZE
        )
        group = task_images.drawing_name(_TEMPLATE.sub("", file.stem))
        yield task_images.TaskImage(file.parent.name, file.stem, group, pixels)
