from tests.files import package_files
from tools import game_units

_ROOT = "./usr/share/games/wesnoth/1.16/data/core"
_ARCHER = b"""\
[unit_type]
    race=elf
    image="units/wood/archer.png"
    [defend]
        image="units/wood/archer-defend.png:300"
    [/defend]
    [female]
        image="units/wood/archer+female.png"
    [/female]
[/unit_type]
"""
_BURNER = b"""\
#define PATH_TEMP
units/dune/#enddef
[unit_type]
    race=dunefolk
    image="{PATH_TEMP}burner.png"
[/unit_type]
"""


def test_standing_figures_are_read_without_the_frames_of_movements(tmp_path):
    names = ["wood/archer", "wood/archer+female", "wood/archer-defend", "blank"]
    names.append("dune/burner")
    members = {
        f"{_ROOT}/images/units/{name}.png": package_files.random_png(number)
        for number, name in enumerate(names)
    }
    members[f"{_ROOT}/units/elves/Archer.cfg"] = _ARCHER
    members[f"{_ROOT}/units/dune/Burner.cfg"] = _BURNER
    members[f"{_ROOT}/units/blank.cfg"] = b'image="units/blank.png"'
    (tmp_path / "a.deb").write_bytes(package_files.deb(members))

    images = list(game_units.read(tmp_path / "a.deb"))

    assert [(i.class_name, i.name, i.group) for i in images] == [
        ("elf", "wood-archer", "wood/archer"),
        ("elf", "wood-archer+female", "wood/archer"),
        ("dunefolk", "dune-burner", "dune/burner"),
    ]
