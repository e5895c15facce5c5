from tests.files import package_files
from tools import furniture

_PROPERTIES = """\
# Copyright \xa9 somebody
id=Tiny
id#1=Tiny#bed1
category#1=Living room
icon#1=/tiny/bed1.png
category#2=Living room
icon#2=/tiny/bed2.png
icon#3=/tiny/fork.png
category#3=Miscellaneous
"""


def test_classes_are_categories_and_numbered_models_one_group(tmp_path):
    members = {
        f"tiny/{name}.png": package_files.random_png(number)
        for number, name in enumerate(["bed1", "bed2", "fork"])
    }
    members["PluginFurnitureCatalog.properties"] = _PROPERTIES.encode("latin-1")
    catalog = {"./usr/share/Tiny.sh3f": package_files.wheel(members)}
    (tmp_path / "a.deb").write_bytes(package_files.deb(catalog))

    images = list(furniture.read(tmp_path / "a.deb"))

    assert [(i.class_name, i.name, i.group) for i in images] == [
        ("living_room", "tiny-bed1", "tiny-bed"),
        ("living_room", "tiny-bed2", "tiny-bed"),
    ]
