"""TFRecord files of the usual conventions."""

import pathlib
import re

import pytest

from adafilter_tf import errors
from adafilter_tf.data import sources
from tests.data.sources import record_data


@pytest.fixture
def load(tmp_path):
    def load_files(pattern, **keys):
        return sources.load_source(
            f"tfrecord:{tmp_path / pattern}", data_dir=str(tmp_path / "data"), **keys
        )

    return load_files


def imagenet(images, labels, texts):
    return [
        {"image/encoded": image, "image/class/label": label, "image/class/text": text}
        for image, label, text in zip(images, labels, texts, strict=True)
    ]


def contents(examples):
    return [pathlib.Path(path).read_bytes() for path in examples.paths]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_numbers_have_the_texts_as_names(load, images, tmp_path, compression):
    examples = imagenet(images, [2, 1, 2, 1, 7, 7], ["b", "z", "b", "z", "a", "a"])
    path = tmp_path / "flowers-00000-of-00001"
    record_data.write_tfrecord(path, examples, compression)
    found = load(path.name)["all"]
    assert found.class_names == ("z", "b", "a")
    assert found.labels == (1, 0, 1, 0, 2, 2)
    assert contents(found) == images


def test_numbers_with_one_text_stay_two_classes(load, images, tmp_path):
    """Two classes of ImageNet are called crane."""
    examples = imagenet(images[:3], [9, 10, 9], ["crane", "crane", "crane"])
    record_data.write_tfrecord(tmp_path / "a.tfrecord", examples)
    found = load("a.tfrecord")["all"]
    assert (found.class_names, found.labels) == (("9", "10"), (0, 1, 0))


def test_splits_are_words_of_the_names(load, images, tmp_path):
    for i, name in enumerate(["train-0-of-2", "train-1-of-2", "validation-0-of-1"]):
        examples = imagenet(images[2 * i : 2 * i + 2], [0, 1], ["a", "b"])
        record_data.write_tfrecord(tmp_path / f"{name}.tfrecord", examples)
    found = load("*.tfrecord")
    assert {split: contents(of) for split, of in found.items()} == {
        "train": images[:4],
        "validation": images[4:],
    }
    assert load(".") == found


def test_other_keys_are_found_or_named(load, images, tmp_path, caplog):
    examples = [
        {"image": image, "label": name, "picture": image, "kind": 5 - number}
        for number, (image, name) in enumerate(zip(images, "xyxyxy", strict=True))
    ]
    record_data.write_tfrecord(tmp_path / "a.tfrecord", examples)
    caplog.set_level("INFO", logger="absl")
    assert load("a.tfrecord")["all"].class_names == ("x", "y")
    assert "images are 'image', classes 'label'" in caplog.text
    named = load("a.tfrecord", image_key="picture", label_key="kind")["all"]
    assert named.labels == (5, 4, 3, 2, 1, 0)


def test_changed_files_are_extracted_again(load, images, tmp_path):
    path = tmp_path / "a.tfrecord"
    record_data.write_tfrecord(path, imagenet(images[:2], [0, 1], ["a", "b"]))
    assert len(load("a.tfrecord")["all"]) == 2
    record_data.write_tfrecord(path, imagenet(images, [0, 1] * 3, ["a", "b"] * 3))
    assert len(load("a.tfrecord")["all"]) == 6


def test_broken_image_is_left_to_the_scan(load, images, tmp_path):
    examples = imagenet([b"GIF89a", *images[1:]], [0, 1] * 3, ["a", "b"] * 3)
    record_data.write_tfrecord(tmp_path / "a.tfrecord", examples)
    found = load("a.tfrecord")["all"]
    assert found.paths[0].endswith("000000.unknown") and len(found) == 6


GOOD = {"image/encoded": b"\xff\xd8\xff", "image/class/label": 1}


@pytest.mark.parametrize(
    "examples,keys,message",
    [
        (
            [{"x": 1, "image/class/label": 2}],
            {},
            "a.tfrecord has none of image/encoded, image, image_raw, image/image_raw, "
            "encoded; it has 'image/class/label', 'x': name one of these by "
            "--image_key.",
        ),
        ([{"image/encoded": b""}], {}, "it has 'image/encoded': name one of these by"),
        ([GOOD], {"label_key": "kind"}, "has no 'kind' (--label_key); it has"),
        ([GOOD | {"image/encoded": 5}], {}, "'image/encoded' holds numbers; it has"),
        ([GOOD | {"image/class/label": 0.5}], {}, "holds 0 texts or whole numbers"),
        ([GOOD, {"image/encoded": b"x"}], {}, "Example 1 of"),
        ([GOOD, GOOD | {"image/class/label": "x"}], {}, "numbers in some images and"),
    ],
)
def test_missing_features_are_named(load, tmp_path, examples, keys, message):
    record_data.write_tfrecord(tmp_path / "a.tfrecord", examples)
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        load("a.tfrecord", **keys)
    written = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not written


@pytest.mark.parametrize("content", [b"hello, this is no record", b"\x1f\x8bxxxx"])
def test_damaged_file_is_named(load, tmp_path, content):
    (tmp_path / "a.tfrecord").write_bytes(content)
    message = "a.tfrecord is no TFRecord file of tf.train.Example, or damaged after 0"
    with pytest.raises(errors.RunError, match=message):
        load("a.tfrecord")


def test_missing_files_and_half_named_splits_are_usage_errors(load, images, tmp_path):
    with pytest.raises(errors.UsageError, match="there is no such file; give a file"):
        load("*.tfrecord")
    for name in ("train", "more"):
        examples = imagenet(images[:2], [0, 1], ["a", "b"])
        record_data.write_tfrecord(tmp_path / f"{name}.tfrecord", examples)
    with pytest.raises(errors.UsageError, match="names its split and .*more.tfrecord"):
        load("*.tfrecord")


def test_keys_of_other_forms_are_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="Received --image_key=x for dataset="):
        sources.load_source(f"folder:{tmp_path}", image_key="x")


def test_names_in_latin_1_stay_different_classes(load, images, tmp_path):
    names = [name.encode("latin-1") for name in ("pâté", "pâtè", "pâté")]
    for i, classes in enumerate((names, ["pâté".encode(), *names[1:]])):
        examples = [
            {"image/encoded": image, "image/class/label": name}
            for image, name in zip(images, classes, strict=False)
        ]
        record_data.write_tfrecord(tmp_path / f"{i}.tfrecord", examples)
        found = load(f"{i}.tfrecord")["all"]
        assert set(found.class_names) == {"pâté", "pâtè"}
        labels = [found.class_names[label] for label in found.labels]
        assert labels == ["pâté", "pâtè", "pâté"]
