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
