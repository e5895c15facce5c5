"""Image folders, with and without ready-made splits."""

import os
import pathlib
import re

import pytest

from adafilter_tf import errors
from adafilter_tf.data import sources
from adafilter_tf.data.examples import Examples


def _load(folder):
    return sources.load_source(f"folder:{folder}")


def test_folders_are_classes_in_order_of_name(make_folder):
    folder = make_folder("b/2.png", "b/1.JPG", "a/x.jpeg", "c/y.PNG")
    paths = tuple(
        str(folder / p) for p in ("a/x.jpeg", "b/1.JPG", "b/2.png", "c/y.PNG")
    )
    assert _load(folder) == {"all": Examples(paths, (0, 1, 1, 2), ("a", "b", "c"))}


def test_hidden_and_other_files_are_not_images(make_folder, caplog):
    folder = make_folder("a/1.png", "a/.hidden.png", "b/2.png", "x.png")
    make_folder(".ipynb_checkpoints/3.png", "b/.ipynb_checkpoints/4.png")
    (folder / "b" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    source = _load(folder)["all"]
    assert source.class_names == ("a", "b") and source.labels == (0, 1)
    assert f"2 files and folders below {folder} are not used" in caplog.text


def test_links_to_class_folders_are_followed(make_folder, tmp_path):
    folder = make_folder("images/a/1.png", "elsewhere/2.png") / "images"
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    assert _load(folder)["all"].paths[1] == str(folder / "b" / "2.png")


def test_links_in_a_circle_are_no_folders(make_folder):
    folder = make_folder("a/1.png", "b/2.png")
    (folder / "c").symlink_to(folder / "c")
    (folder / "a" / "up").symlink_to(folder)
    assert _load(folder)["all"].labels == (0, 1)


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Validation"])
def test_ready_made_splits_share_the_classes_of_train(make_folder, validation):
    folder = make_folder(
        "train/a/1.png", "train/b/2.png", f"{validation}/b/3.png", "test/a/4.png"
    )
    source = _load(folder)
    assert set(source) == {"train", "validation", "test"}
    assert source["validation"] == Examples(
        (str(folder / validation / "b/3.png"),), (1,), ("a", "b")
    )
    assert source["test"].labels == (0,)


def test_class_named_train_is_a_class(make_folder):
    folder = make_folder("bus/1.png", "train/2.png")
    assert _load(folder)["all"].class_names == ("bus", "train")


@pytest.mark.parametrize(
    "names,message",
    [
        (["a/deep/1.png", "b/deep/2.png"], "No class folder in"),
        (["a/1.png", "a/2.png"], "has 1 class with training images (a); a classifier"),
        (["1.png"], "1.png: in no class folder"),
        (
            ["train/a/1.png", "train/b/2.png", "test/a/3.png", "test/c/4.png"],
            "class 'c' is in test but not in train (1 such classes)",
        ),
        (
            ["train/a/1.png", "train/b/2.png", "val/d/3.png"],
            "class 'd' is in validation but not in train",
        ),
        (
            ["train/a/1.png", "train/b/2.png", "extra/a/3.png"],
            "holds split folders (train) beside 'extra'",
        ),
        (
            ["train/a/1.png", "train/b/2.png", "val/a/3.png", "valid/a/4.png"],
            "holds 'val' and 'valid', which are both the validation split",
        ),
    ],
)
def test_unfit_folder_is_explained(make_folder, names, message):
    with pytest.raises(errors.RunError, match=re.escape(message)) as caught:
        _load(make_folder(*names))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["two\nlines", os.fsdecode(b"no text \xff"), " "])
def test_class_that_no_line_can_hold_is_refused(make_folder, name):
    folder = make_folder("a/1.png", f"{name}/2.png")
    with pytest.raises(errors.UsageError, match="is no line of text .* rename it"):
        _load(folder)


def test_missing_folder_is_a_usage_error(tmp_path):
    message = f"dataset=folder:{tmp_path}/none: there is no such folder; give"
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        _load(tmp_path / "none")


def test_unicode_forms_of_a_folder_are_one_class(make_folder):
    source = _load(make_folder("pa\u0302te/1.png", "p\u00e2te/2.png", "b/3.png"))
    assert source["all"].class_names == ("b", "p\u00e2te")
    assert source["all"].labels == (0, 1, 1)


def test_other_names_of_splits_are_recognised(make_folder):
    folder = make_folder("training/a/1.png", "training/b/2.png", "testing/a/3.png")
    make_folder("dev/b/4.png")
    assert {name: len(of) for name, of in _load(folder).items()} == {
        "validation": 1,
        "test": 1,
        "train": 2,
    }


@pytest.mark.parametrize("name", ["eval", "train1", "Test_2", "holdout"])
def test_unclear_name_of_a_split_is_refused(make_folder, name):
    folder = make_folder("train/a/1.png", "train/b/2.png", f"{name}/a/3.png")
    with pytest.raises(errors.UsageError, match=f"{name}.*train, validation and test"):
        _load(folder)


def test_everything_that_is_not_used_is_listed_with_its_reason(make_folder, caplog):
    folder = make_folder("a/1.png", "b/2.png", "b/deep/3.png", "4.png", "a/image")
    make_folder("__MACOSX/a/5.png", "a/.ipynb_checkpoints/6.png", "c/.hidden.png")
    (folder / "b" / "notes.txt").write_text("no image")
    source = _load(folder)["all"]
    names = [str(pathlib.Path(path).relative_to(folder)) for path in source.paths]
    assert names == ["a/1.png", "a/image", "b/2.png"]
    left_out = {
        str(pathlib.Path(path).relative_to(folder)): reason
        for path, reason in source.left_out
    }
    assert left_out.keys() == {
        "__MACOSX", "4.png", "a/.ipynb_checkpoints", "b/deep", "b/notes.txt", "c",
        "c/.hidden.png",
    }  # fmt: skip
    assert "a folder inside a class folder" in left_out["b/deep"]
    assert f"5 files and folders below {folder} are not used" in caplog.text
