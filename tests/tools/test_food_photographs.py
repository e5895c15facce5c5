from tests.files import package_files
from tools import food_photographs


def test_classes_are_the_groups_of_the_codes(tmp_path):
    codes = ["A001", "P012"]
    members = {
        f"package/assets/{code}.jpeg": package_files.random_png(number, 200)
        for number, code in enumerate(codes)
    }
    members["package/README.md"] = b"Photographs"
    (tmp_path / "a.tgz").write_bytes(package_files.tar(members))

    images = list(food_photographs.read(tmp_path / "a.tgz"))

    assert [(image.class_name, image.name) for image in images] == [
        ("cereals", "a001"),
        ("sea_fish", "p012"),
    ]
    assert images[0].pixels.shape == (160, 160, 3)
