import os

import pytest

from adafilter_tf import errors
from adafilter_tf.prediction import image_files


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for name in ("b.JPG", "a.png", "sub/c.jpeg", ".hidden.jpg", ".git/d.jpg", "n.txt"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    (tmp_path / "photos" / "[1].png").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("patterns", "files"),
    [
        (["photos"], ["[1].png", "a.png", "b.JPG", "sub/c.jpeg"]),
        (["photos/*.png"], ["[1].png", "a.png"]),
        (["photos/**/*.jpeg"], ["sub/c.jpeg"]),
        (["photos/*"], ["[1].png", "a.png", "b.JPG", "sub/c.jpeg"]),
        (["photos/n.txt"], ["n.txt"]),
        (["photos/[1].png"], ["[1].png"]),
        (["photos/b.JPG", "photos"], ["b.JPG", "[1].png", "a.png", "sub/c.jpeg"]),
    ],
)
def test_images_of_files_folders_and_patterns(photos, patterns, files):
    expected = [os.path.join("photos", name) for name in files]
    assert image_files.list_images(patterns) == expected


@pytest.mark.parametrize("pattern", ["nowhere.jpg", "photos/*.gif", "photos/.git/x"])
def test_pattern_without_an_image_is_named(photos, pattern):
    with pytest.raises(errors.UsageError) as raised:
        image_files.list_images(["photos", pattern])
    assert str(raised.value) == (
        f"Received {pattern!r}, which gives no image; allowed are a file, a folder "
        "with images at any depth, or a glob pattern. Check the path, relative to the "
        "current folder."
    )


def test_no_pattern_is_refused():
    with pytest.raises(
        errors.UsageError, match="Received no image to predict; name at"
    ):
        image_files.list_images([])


def test_folder_is_listed_in_the_order_of_whole_paths(tmp_path):
    names = ["a.png", "a/x.png", "a-b.png", "b/c/d.png", "b.png", "b-/e.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = sorted(str(tmp_path / name) for name in names)
    assert image_files.list_images([str(tmp_path)]) == expected
    assert image_files.list_images([f"{tmp_path}/**"]) == expected


def test_images_of_a_folder_come_before_all_are_listed(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    found = image_files.iterate_images([str(tmp_path)])
    assert next(found) == str(tmp_path / "a/1.png")
    (tmp_path / "b/3.png").touch()
    assert [os.path.basename(path) for path in found] == ["2.png", "3.png"]


def test_everything_is_an_image_or_left_out_with_its_reason(photos, tmp_path):
    folder = tmp_path / "photos"
    (folder / "no ending").write_bytes(b"GIF89a")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "up").symlink_to(folder)
    (folder / "closed").mkdir(mode=0)
    left_out = []
    found = list(image_files.iterate_images(["photos"], left_out))
    assert found == [
        os.path.join("photos", name)
        for name in ("[1].png", "a.png", "b.JPG", "loop.jpg", "no ending", "sub/c.jpeg")
    ]
    reasons = {os.path.relpath(path, "photos"): reason for path, reason in left_out}
    expected = {".git": "hidden", ".hidden.jpg": "hidden", "n.txt": "an empty file"}
    expected["up"] = "a link to a folder"
    if os.getuid() != 0:  # root reads everything
        expected["closed"] = "a folder that cannot be read (Permission denied)"
    assert reasons == expected


def test_folder_that_vanishes_while_it_is_listed_is_left_out(photos, tmp_path):
    left_out = []
    found = image_files.iterate_images(["photos"], left_out)
    next(found)
    os.rename(tmp_path / "photos" / "sub", tmp_path / "sub")
    assert len(list(found)) == 2
    assert left_out[-1][0] == os.path.join("photos", "sub")
    assert "cannot be read" in left_out[-1][1]
