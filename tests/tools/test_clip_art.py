from tests.files import package_files
from tools import clip_art


def _write(tmp_path, root, names):
    members = {
        f"./{root}/{n}": package_files.random_png(i) for i, n in enumerate(names)
    }
    members[f"./{root}/animals/broken.png"] = b"no image"
    path = tmp_path / "art.deb"
    path.write_bytes(package_files.deb(members))
    return path


def test_source_and_target_share_no_drawing(tmp_path):
    names = [
        "animals/mammals/cat_01.png",
        "animals/cow.png",
        "food/fruit/pear.png",
        "food/pie.png",
        "recreation/games/cards/ace.png",
        "unsorted/x.png",
    ]
    path = _write(tmp_path, "usr/share/openclipart/png", names)

    target = {(i.class_name, i.name) for i in clip_art.read_openclipart_target(path)}
    source = {(i.class_name, i.name) for i in clip_art.read_openclipart_source(path)}

    assert target == {("animals", "mammals-cat_01"), ("animals", "cow")}
    assert source == {
        ("openclipart_food_fruit", "fruit-pear"),
        ("openclipart_food", "pie"),
    }
    assert not set(clip_art.TARGET_CATEGORIES) & set(clip_art.SOURCE_CATEGORIES)


def test_mirrored_stamps_and_symbols_are_left_out(tmp_path):
    names = ["animals/cat.png", "animals/cat_mirror.png", "symbols/a.png", "food/a.ogg"]
    path = _write(tmp_path, "usr/share/tuxpaint/stamps", names)

    images = list(clip_art.read_tuxpaint(path))

    assert [(image.class_name, image.name) for image in images] == [("animals", "cat")]


def test_kinds_are_folders_within_categories(tmp_path):
    names = [
        "animals/mammals/cats/cat_red_01.png",
        "animals/mammals/cat2_bw_ann_park_r.png",
        "animals/cow.png",
        "recreation/games/cards/ace.png",
        "recreation/games/chess.png",
        "shapes/arrows/arrow_left.png",
        "transportation/roadsigns/stop.png",
    ]
    path = _write(tmp_path, "usr/share/openclipart/png", names)

    things = list(clip_art.read_openclipart_things(path))
    (sign,) = clip_art.read_openclipart_signs(path)

    assert [(i.class_name, i.name, i.group) for i in things] == [
        ("animals-mammals", "cats-cat_red_01-png", "cat"),
        ("animals-mammals", "cat2_bw_ann_park_r-png", "cat"),
        ("recreation-games", "chess-png", "chess"),
    ]
    assert (sign.class_name, sign.group) == ("shapes-arrows", "arrow")
    assert things[0].pixels.shape == (8, 8, 3)  # Their own size.
    assert not set(clip_art.OPENCLIPART_THINGS) & set(clip_art.OPENCLIPART_SIGNS)


def test_two_forms_of_a_stamp_are_one_group(tmp_path):
    names = ["food/fruit/pear.png", "food/fruit/cartoon/pear2.png", "food/salt.png"]
    names += ["food/fruit/pear_mirror.png", "symbols/math/plus.png"]
    path = _write(tmp_path, "usr/share/tuxpaint/stamps", names)

    images = list(clip_art.read_tuxpaint_kinds(path))

    assert [(i.class_name, i.name, i.group) for i in images] == [
        ("food-fruit", "pear-png", "pear"),
        ("food-fruit", "cartoon-pear2-png", "pear"),
    ]
