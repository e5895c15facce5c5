from tests.files import package_files
from tools import desktop_icons

_ROOT = "./usr/share/icons/oxygen/base"


def test_contexts_are_classes_and_variants_one_group(tmp_path):
    names = [
        "actions/go-up",
        "actions/go-down",
        "mimetypes/text",
        "mimetypes/text-template",
    ]
    members = {
        f"{_ROOT}/128x128/{name}.png": package_files.random_png(number)
        for number, name in enumerate(names)
    }
    members[f"{_ROOT}/16x16/actions/zoom.png"] = package_files.random_png(9)
    link = (f"{_ROOT}/128x128/actions/other-name.png", "go-up.png")
    (tmp_path / "a.deb").write_bytes(package_files.deb(members, [link]))

    images = list(desktop_icons.read(tmp_path / "a.deb"))

    assert [(i.class_name, i.name, i.group) for i in images] == [
        ("actions", "go-up", "go"),
        ("actions", "go-down", "go"),
        ("mimetypes", "text", "text"),
        ("mimetypes", "text-template", "text"),
    ]
