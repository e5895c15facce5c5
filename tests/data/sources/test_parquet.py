"""Parquet files in Hugging Face's layout and others."""

import pathlib
import re
import sys

import pyarrow
import pytest

from adafilter_tf import errors
from adafilter_tf.data import sources
from tests.data.sources import record_data


@pytest.fixture
def load(tmp_path):
    def load_files(pattern, **keys):
        return sources.load_source(
            f"parquet:{tmp_path / pattern}", data_dir=str(tmp_path / "data"), **keys
        )

    return load_files


def struct(images):
    rows = [{"bytes": image, "path": None} for image in images]
    return pyarrow.array(rows, record_data.HUGGING_FACE_IMAGE)


def contents(examples):
    return [pathlib.Path(path).read_bytes() for path in examples.paths]


def test_layout_of_hugging_face(load, images, tmp_path):
    names = ["tench", "cat", "a class without images"]
    for split, of_split, labels in (
        ("train", images[:4], [0, 1, 1, 0]),
        ("test", images[4:], [1, 1]),
    ):
        path = tmp_path / "repository" / "data" / f"{split}-00000-of-00001.parquet"
        columns = {"image": struct(of_split), "label": labels}
        record_data.write_parquet(path, columns, class_names=names)
    found = load("repository")
    assert found["train"].class_names == tuple(names)
    assert found["train"].labels == (0, 1, 1, 0) and found["test"].labels == (1, 1)
    assert contents(found["train"]) == images[:4]
    assert contents(found["test"]) == images[4:]


def test_splits_may_be_folders(load, images, tmp_path):
    for split in ("train", "validation"):
        columns = {"image": struct(images[:2]), "label": ["a", "b"]}
        record_data.write_parquet(tmp_path / "r" / split / "0000.parquet", columns)
    assert set(load("r/**/*.parquet")) == {"train", "validation"}


@pytest.mark.parametrize(
    "labels,class_names",
    [
        (["dog", "cat", "dog", "cat", "cat", "cat"], ("cat", "dog")),
        ([10, 9, 10, 9, 9, 9], ("9", "10")),
        (
            pyarrow.array(["x", "a", "x", "a", "a", "a"]).dictionary_encode(),
            ("a", "x"),
        ),
    ],
)
def test_plain_columns_of_bytes_and_classes(
    load, images, tmp_path, labels, class_names
):
    columns = {"noise": list(range(6)), "picture": images, "kind": labels}
    record_data.write_parquet(tmp_path / "a.parquet", columns)
    found = load("a.parquet", image_key="picture", label_key="kind")["all"]
    assert found.class_names == class_names
    assert found.labels == (1, 0, 1, 0, 0, 0)
    assert contents(found) == images


def test_image_beside_the_file_is_read(load, images, tmp_path):
    (tmp_path / "0.jpg").write_bytes(images[0])
    rows = [{"bytes": None, "path": "0.jpg"}, {"bytes": images[1], "path": "1.jpg"}]
    image = pyarrow.array(rows, record_data.HUGGING_FACE_IMAGE)
    columns = {"image": image, "label": [0, 1]}
    record_data.write_parquet(tmp_path / "a.parquet", columns)
    assert contents(load("a.parquet")["all"]) == images[:2]


@pytest.mark.parametrize(
    "columns,keys,message",
    [
        (
            {"x": [1], "label": [0]},
            {},
            "a.parquet has none of image, img, image_bytes, bytes, jpg, png, "
            "image/encoded; it has 'x', 'label': name one of these by --image_key.",
        ),
        ({"image": [b"x"], "y": [0]}, {}, "name one of these by --label_key."),
        (
            {"image": [b"x"], "label": [0]},
            {"image_key": "img"},
            "has no 'img' (--image",
        ),
        ({"image": ["x"], "label": [0]}, {}, "column 'image' is string; it has to be"),
        (
            {"image": [b"x"], "label": [[0]]},
            {},
            "it has to be one whole number or text",
        ),
        ({"image": [b"x"], "label": [0.5]}, {}, "column 'label' is double; it has to"),
        ({"image": [b"x", None], "label": [0, 1]}, {}, "Row 1 of"),
        ({"image": [b"x", b"y"], "label": [0, None]}, {}, "has no class in column"),
    ],
)
def test_missing_columns_are_named(load, tmp_path, columns, keys, message):
    record_data.write_parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        load("a.parquet", **keys)
    written = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not written


def test_unlabelled_split_is_explained(load, images, tmp_path):
    columns = {"image": struct(images[:1]), "label": [-1]}
    record_data.write_parquet(
        tmp_path / "test.parquet", columns, class_names=["a", "b"]
    )
    with pytest.raises(errors.UsageError, match="No image of .* has a label .*-1"):
        load("test.parquet")


def test_file_of_another_kind_is_named(load, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"hello")
    with pytest.raises(errors.UsageError, match="a.parquet cannot be read as Parquet"):
        load("a.parquet")


def test_damaged_rows_are_named(load, images, tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"image": images, "label": [0, 1] * 3}
    record_data.write_parquet(path, columns)
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    with pytest.raises(errors.RunError, match="a.parquet is damaged after 0 rows"):
        load("a.parquet")


def test_missing_pyarrow_is_explained(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = "needs pyarrow, which is not installed: pip install pyarrow, or"
    with pytest.raises(errors.UsageError, match=message):
        load("a.parquet")


def test_names_in_other_orders_are_read_by_name(load, images, tmp_path):
    for split, names, labels in (
        ("train", ["tea", "pot"], [0, 1]),
        ("test", ["pot", "tea"], [0, 1]),
    ):
        record_data.write_parquet(
            tmp_path / f"{split}.parquet",
            {"image": images[:2], "label": labels},
            class_names=names,
        )
    found = load(tmp_path)
    assert found["train"].class_names == found["test"].class_names == ("tea", "pot")
    assert found["train"].labels == (0, 1) and found["test"].labels == (1, 0)


def test_names_in_some_files_only_are_refused(load, images, tmp_path):
    columns = {"image": images[:2], "label": [0, 1]}
    record_data.write_parquet(tmp_path / "1.parquet", columns, class_names=["a", "b"])
    record_data.write_parquet(tmp_path / "2.parquet", columns)
    with pytest.raises(errors.UsageError, match="1.parquet names .*2.parquet does not"):
        load(tmp_path)


def test_split_without_labels_is_left_out(load, images, tmp_path, caplog):
    for split, labels in (("train", [0, 1]), ("test", [-1, -1])):
        columns = {"image": images[:2], "label": labels}
        record_data.write_parquet(tmp_path / f"{split}.parquet", columns)
    assert list(load(tmp_path)) == ["train"]
    assert "split test, whose 2 images have no label" in caplog.text


def test_some_missing_labels_are_refused(load, images, tmp_path):
    columns = {"image": images[:3], "label": [0, 1, -1]}
    record_data.write_parquet(tmp_path / "1.parquet", columns)
    with pytest.raises(errors.UsageError, match="1 of 3 images .*label -1"):
        load(tmp_path)


def _write_with_paths(path, images, folder):
    rows = [{"bytes": None, "path": f"{folder}{i}.jpg"} for i in range(len(images))]
    column = pyarrow.array(rows, record_data.HUGGING_FACE_IMAGE)
    record_data.write_parquet(path, {"image": column, "label": [0, 1]})


def test_changed_file_beside_is_extracted_again(load, images, tmp_path):
    (tmp_path / "r").mkdir()
    for number, content in enumerate(images[:2]):
        (tmp_path / "r" / f"{number}.jpg").write_bytes(content)
    _write_with_paths(tmp_path / "r" / "1.parquet", images[:2], "")
    first = load(tmp_path / "r")["all"].paths[1]
    (tmp_path / "r" / "1.jpg").write_bytes(images[2])
    second = load(tmp_path / "r")["all"].paths[1]
    assert pathlib.Path(first).read_bytes() == images[1]
    assert pathlib.Path(second).read_bytes() == images[2]


def test_path_that_leaves_the_folder_is_refused(load, images, tmp_path):
    (tmp_path / "0.jpg").write_bytes(images[0])
    _write_with_paths(tmp_path / "r" / "1.parquet", images[:2], "../")
    with pytest.raises(errors.UsageError, match="../0.jpg, which is not below"):
        load(tmp_path / "r")


@pytest.mark.parametrize("name", ["eval-0.parquet", "holdout.parquet"])
def test_unclear_name_of_a_split_is_never_pooled(load, images, tmp_path, name):
    columns = {"image": images[:2], "label": [0, 1]}
    record_data.write_parquet(tmp_path / "train-0.parquet", columns)
    record_data.write_parquet(tmp_path / name, columns)
    with pytest.raises(errors.UsageError, match=f"{name}.*unclear"):
        load(tmp_path)
