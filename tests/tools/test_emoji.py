import json

import pytest

from tests.files import package_files
from tools import emoji

_ANIMALS = {"category": "Animals & Nature", "subcategory": "animal-mammal"}
_PEOPLE = {"category": "People & Body", "subcategory": "person-role"}
_FLAGS = {"category": "Flags", "subcategory": "country-flag"}
# Code points, group of classes, codes of skin tones.
_ENTRIES = [
    ("1F431", _ANIMALS, []),
    ("1F9D1-200D-1F3EB", _PEOPLE, ["1F3FB", "1F3FF"]),
    ("1F468-200D-1F3EB", _PEOPLE, ["1F3FB"]),
    ("1F3C3", _PEOPLE, []),
    ("1F3C3-200D-2640-FE0F", _PEOPLE, []),
    ("1F3C3-200D-27A1-FE0F", _PEOPLE, []),
    ("1F1E6-1F1E8", _FLAGS, []),
]

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">'
    '<rect width="36" height="72" fill="#0000ff"/></svg>'
)


@pytest.fixture
def datasource(tmp_path):
    """A package like emoji-datasource with a random image for each entry and tone."""
    entries, members = [], {}
    for code, groups, tones in _ENTRIES:
        images = [f"{c}.png".lower() for c in [code, *(f"{code}-{t}" for t in tones)]]
        for image in images:
            members[f"package/img/any/64/{image}"] = package_files.random_png(
                len(members)
            )
        variations = {t: {"image": i} for t, i in zip(tones, images[1:], strict=True)}
        entry = {"unified": code, "image": images[0], "skin_variations": variations}
        entries.append(entry | groups)
    members["package/emoji.json"] = json.dumps(entries).encode()
    path = tmp_path / "emoji.tgz"
    path.write_bytes(package_files.tar(members))
    return path


def test_target_has_no_skin_tones_genders_directions_and_flags(datasource):
    images = list(emoji.read_twitter(datasource))

    assert {(image.class_name, image.name) for image in images} == {
        ("animals_nature", "1f431"),
        ("people_body", "1f9d1-200d-1f3eb"),
        ("people_body", "1f3c3"),
    }


def test_variants_of_a_person_are_one_group_of_the_source(datasource):
    images = list(emoji.read_google(datasource))

    groups = {image.name: image.group for image in images}
    assert len(groups) == 10
    teachers = [group for name, group in groups.items() if "1f3eb" in name]
    assert teachers == ["1F9D1-200D-1F3EB"] * 5
    assert groups["1f3c3-200d-2640-fe0f"] == groups["1f3c3"] == "1F3C3"


def test_openmoji_svg_files_are_drawn(tmp_path):
    pytest.importorskip("resvg_py", reason="resvg-py draws SVG files")
    entry = {"hexcode": "1F431", "group": "animals-nature", "skintone": ""}
    entries = [
        {**entry, "subgroups": "animal-mammal"},
        {**entry, "hexcode": "1F44B-1F3FB", "skintone": 1, "subgroups": "hand"},
    ]
    members = {"package/data/openmoji.json": json.dumps(entries).encode()}
    for name in ("1F431", "1F44B-1F3FB"):
        members[f"package/color/svg/{name}.svg"] = _SVG.encode()
    (tmp_path / "a.tgz").write_bytes(package_files.tar(members))

    (image,) = emoji.read_openmoji(tmp_path / "a.tgz")

    assert (image.class_name, image.name) == ("animal", "1f431")
    assert image.pixels[16, 8].tolist() == [0, 0, 255]
    assert image.pixels[16, 24].tolist() == [255, 255, 255]


def _openmoji(path, names):
    """A package of one drawing for each code and name, all of them mammals."""
    entry = {"group": "animals-nature", "skintone": "", "subgroups": "animal-mammal"}
    entries = [{**entry, "hexcode": c, "annotation": n} for c, n in names.items()]
    members = {"package/data/openmoji.json": json.dumps(entries).encode()}
    for code in names:
        members[f"package/color/svg/{code}.svg"] = _SVG.encode()
    path.write_bytes(package_files.tar(members))
    return path


def test_kinds_are_subgroups_and_variants_of_a_drawing_one_group(tmp_path):
    pytest.importorskip("resvg_py", reason="resvg-py draws SVG files")
    names = {
        "1F431": "cat face",
        "1F550": "one o'clock",
        "1F55F": "four-thirty",
        "2764": "red heart",
        "1F49A": "green heart",
        "1F468-200D-1F3EB": "man teacher",
    }

    images = list(emoji.read_openmoji_kinds(_openmoji(tmp_path / "a.tgz", names)))

    assert {image.class_name for image in images} == {"animal-mammal"}
    assert [(image.name, image.group) for image in images] == [
        ("1f431", "cat_face"),
        ("1f550", "clock"),
        ("1f55f", "clock"),
        ("2764", "heart"),
        ("1f49a", "heart"),
    ]
    assert images[0].pixels.shape == (160, 160, 3)


def test_fluent_has_the_classes_of_openmoji(tmp_path):
    labels = _openmoji(tmp_path / "a.tgz", {"1F431": "cat", "2639-FE0F": "face"})
    names = ("1f431", "2639", "2639-fe0f", "1f1e6-1f1e8")
    members = {
        f"package/assets/{name}.webp": package_files.random_png(number)
        for number, name in enumerate(names)
    }
    (tmp_path / "b.tgz").write_bytes(package_files.tar(members))

    images = list(emoji.read_fluent_kinds(tmp_path / "b.tgz", labels))

    assert [(i.class_name, i.name) for i in images] == [
        ("animal-mammal", "1f431"),
        ("animal-mammal", "2639-fe0f"),
    ]
