"""Renderings of furniture and of other things: the catalogs of Sweet Home 3D."""

import io
import pathlib
import re
import zipfile
from collections.abc import Iterator

from adafilter_tf.files import packages
from tools import task_images

SWEET_HOME_3D = packages.Package(
    "apt-get",
    "sweethome3d-furniture",
    "1.8-1",
    "sweethome3d-furniture_1.8-1_all.deb",
    "3ccb90c63f9525e887a767b9cd5c8b6933b8b6b2973a615a5359ee68a2118668",
    "Sweet Home 3D catalogs of Scopia, Andrew Kator & Jennifer Legaz, Reallusion and "
    "the contributors of Blend Swap, converted by Emmanuel Puybaret",
    "CC BY 3.0, CC BY 3.0 US and CC0 1.0, by catalog",
)

_CATALOG = "PluginFurnitureCatalog.properties"
_PROPERTY = re.compile(r"^(icon|category)#(\d+)=(.*)$", re.MULTILINE)
# Says nothing about what is in it.
_LEFT_OUT = "Miscellaneous"


def read(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Yields the icon of each model; classes are the categories of the catalogs.

    Models of one catalog that differ in a number or color are one group.
    """
    for name, content in packages.read(path, "*.sh3f"):
        catalog = pathlib.PurePath(name).stem.lower()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            text = archive.read(_CATALOG).decode("latin-1")
            for icon, category in _icons(text):
                stem = pathlib.PurePath(icon).stem
                pixels = task_images.decode(
                    archive.read(icon), ".png", max_size=task_images.MAX_IMAGE_SIZE
                )
                yield task_images.TaskImage(
                    category.lower().replace(" ", "_"),
                    f"{catalog}-{stem}",
                    f"{catalog}-{task_images.drawing_name(stem)}",
                    pixels,
                )


def _icons(text):
    """Yields the name of the icon and the category of each model of a catalog."""
    models: dict[str, dict[str, str]] = {}
    for key, number, value in _PROPERTY.findall(text):
        models.setdefault(number, {})[key] = value.strip()
    for model in models.values():
        if model["category"] != _LEFT_OUT:
            yield model["icon"].removeprefix("/"), model["category"]
