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
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">'
        '<rect width="36" height="72" fill="#0000ff"/></svg>'
    )
    entry = {"hexcode": "1F431", "group": "animals-nature", "skintone": ""}
    entries = [
        {**entry, "subgroups": "animal-mammal"},
        {**entry, "hexcode": "1F44B-1F3FB", "skintone": 1, "subgroups": "hand"},
    ]
    members = {"package/data/openmoji.json": json.dumps(entries).encode()}
    for name in ("1F431", "1F44B-1F3FB"):
        members[f"package/color/svg/{name}.svg"] = svg.encode()
    (tmp_path / "a.tgz").write_bytes(package_files.tar(members))

    (image,) = emoji.read_openmoji(tmp_path / "a.tgz")

    assert (image.class_name, image.name) == ("animal", "1f431")
    assert image.pixels[16, 8].tolist() == [0, 0, 255]
    assert image.pixels[16, 24].tolist() == [255, 255, 255]
