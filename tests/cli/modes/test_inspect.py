"""--mode=inspect."""

import csv
import functools
import json
import shutil

import matplotlib.image
import numpy as np
import pytest
from PIL import Image

from tests import command_line
from tests.data.decoding import hostile_files


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A large and a small class, dirt, copies and a wrong label."""
    folder = tmp_path_factory.mktemp("inspected") / "images"
    rng = np.random.default_rng(0)
    for name, number in (("größe", 60), ("b", 12)):
        (folder / name).mkdir(parents=True)
        for index in range(number):
            pixels = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            image = Image.fromarray(pixels).resize((40, 30))
            image.save(folder / name / f"{index}.png")
    shutil.copy(folder / "größe/0.png", folder / "b/wrong.png")
    shutil.copy(folder / "größe/1.png", folder / "größe/copy.png")
    usable = hostile_files.usable(image)
    (folder / "b" / "turned.jpg").write_bytes(usable["turned by EXIF.jpg"])
    (folder / "b" / "cmyk.jpg").write_bytes(usable["CMYK.jpg"])
    (folder / "b" / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture
def inspect(capfd, tmp_path):
    return functools.partial(
        command_line.call,
        capfd,
        "--mode=inspect",
        f"--output_dir={tmp_path / 'look'}",
        f"--data_dir={tmp_path / 'data'}",
        "--backbone=resnet14_rgb",
    )


def test_report_says_what_the_data_set_is_like(inspect, images, tmp_path):
    code, out, err = inspect(f"--dataset=folder:{images}")
    assert code == 0, err
    found = json.loads((tmp_path / "look" / "inspection.json").read_text())
    assert found["images"] == 77
    assert {name: sum(of.values()) for name, of in found["classes"].items()} == {
        "b": 15,
        "größe": 61,
    }
    assert sum(found["splits"].values()) == 76
    assert found["formats"] == {"PNG RGB": 74, "JPEG RGB": 1, "JPEG CMYK": 1}
    assert found["turned_by_exif"] == 1
    assert found["height"] == {"smallest": 30, "median": 30, "largest": 40}
    (broken,) = found["broken"]
    assert broken["path"] == str(images / "b" / "empty.jpg")
    wrong = [group for group in found["copies"] if group["disagrees"]]
    assert len(wrong) == 1 and len(found["copies"]) == 2
    assert found["imbalance"] == pytest.approx(
        found["classes"]["größe"]["train"] / found["classes"]["b"]["train"]
    )
    advice = "\n".join(found["advice"])
    for part in (
        "1 of 77 images cannot be used: replace or remove them, or train with "
        "--on_bad_image=skip.",
        "times the training images of the smallest",
        "Classes with fewer than 10 training images: 1, first 'b'",
        "Images with two labels: 1.",
    ):
        assert part in advice and part in out
    assert f"{images / 'b' / 'empty.jpg'}: an empty file, not an image" in out


def test_files_are_written_and_replaced_by_a_second_inspection(
    inspect, images, tmp_path
):
    assert inspect(f"--dataset=folder:{images}")[0] == 0
    look = tmp_path / "look"
    with (look / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        statuses = {row["path"]: row["status"] for row in csv.DictReader(stream)}
    assert len(statuses) == 77
    with (look / "duplicates.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert str(images / "b" / "wrong.png") in [row["path"] for row in rows]
    sheet = matplotlib.image.imread(look / "samples.png")
    assert sheet.shape[:2] == (250, 980)  # two rows of a hundred pixels and a title
    assert np.ptp(sheet[..., :3]) > 0.9
    before = {path.name for path in look.iterdir()}
    assert inspect(f"--dataset=folder:{images}")[0] == 0
    assert {path.name for path in look.iterdir()} == before


def test_data_set_that_is_too_small_to_train_on_is_described(inspect, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "few" / name).mkdir(parents=True)
        image = Image.new("RGB", (9, 9), "red")
        image.save(tmp_path / "few" / name / "0.png")
    code, out, _ = inspect(f"--dataset=folder:{tmp_path / 'few'}")
    assert code == 0
    assert "Not fit for training yet: Class 'a' has 1 images, too few for 3" in out


def test_folder_of_something_else_is_left_alone(inspect, images, tmp_path):
    (tmp_path / "look").mkdir()
    (tmp_path / "look" / "flags.cfg").write_text("mine")
    result = inspect(f"--dataset=folder:{images}")
    command_line.assert_error(result, 2, "holds other files (flags.cfg)")
    assert [path.name for path in (tmp_path / "look").iterdir()] == ["flags.cfg"]


def test_folder_without_images_is_a_usage_error(inspect, tmp_path):
    (tmp_path / "none").mkdir()
    result = inspect(f"--dataset=folder:{tmp_path / 'none'}")
    command_line.assert_error(result, 2, "has no image; folder:PATH needs one sub")
    (tmp_path / "none" / "a").mkdir()
    result = inspect(f"--dataset=folder:{tmp_path / 'none'}")
    command_line.assert_error(result, 2, "No class folder", "has an image")
    assert not (tmp_path / "look").exists()
