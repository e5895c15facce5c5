"""The map of the rooms shows what the package imports today."""

import pathlib
from xml.etree import ElementTree

from tools import draw_architecture

MAP = (
    pathlib.Path(draw_architecture.__file__).parents[1] / "docs/images/architecture.svg"
)


def test_map_in_the_docs_is_current():
    drawn = draw_architecture.draw(draw_architecture.read_imports())
    assert MAP.read_text("utf-8") == drawn, (
        "run: python -m tools.draw_architecture > docs/images/architecture.svg"
    )


def test_map_names_every_room_once():
    texts = [e.text for e in ElementTree.parse(MAP).iter() if e.tag.endswith("text")]
    assert {texts.count(room) for room in draw_architecture.ROOMS} == {1}


def test_imports_that_follow_from_others_are_left_out():
    imports = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    reduced = draw_architecture.reduce_imports(imports)
    assert reduced == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}
