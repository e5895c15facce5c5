"""Images that occur twice."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from adafilter_tf.data.inspection import duplicates
from adafilter_tf.data.inspection.facts import LabelledImage
from adafilter_tf.data.integrity import scan


@pytest.fixture(scope="module")
def photograph():
    from sklearn import datasets

    return Image.fromarray(datasets.load_sample_image("flower.jpg"))


@pytest.fixture
def add(tmp_path):
    """Function that saves an image and gives it a label and a split."""

    def save(name, image, split, class_name="a", **options):
        path = tmp_path / name
        image.save(path, **options)
        return LabelledImage(scan.examine_image(str(path)), class_name, split)

    return save


def names(group):
    return [pathlib.Path(image.entry.path).name for image in group]


def test_copies_are_found_by_their_bytes(add, photograph):
    one = photograph.crop((0, 0, 90, 60))
    other = photograph.crop((200, 100, 290, 160))
    images = [
        add("0.png", one, "train"),
        add("1.png", other, "train", "b"),
        add("2.png", other, "train", "a"),
        add("3.png", one, "test"),
        add("4.jpg", one, "test"),
    ]
    first, second = duplicates.find_copies(images)
    assert names(first) == ["0.png", "3.png"] and names(second) == ["1.png", "2.png"]
    assert duplicates.crosses_splits(first) and not duplicates.crosses_splits(second)
    assert duplicates.disagrees(second) and not duplicates.disagrees(first)


def test_one_photograph_in_two_splits_is_found_in_other_clothes(add, photograph):
    crop = photograph.crop((0, 0, 240, 160))
    tags = Image.Exif()
    tags[0x0112] = 6
    turned = crop.transpose(Image.Transpose.ROTATE_90)
    images = [
        add("original.png", crop, "train"),
        add("compressed.jpg", crop, "test", quality=60),
        add("smaller.png", crop.resize((120, 80)), "test"),
        add("turned.jpg", turned, "validation", quality=90, exif=tags),
        add("same split.png", crop.resize((60, 40)), "train"),
        add("unused.png", crop.resize((200, 140)), "unused"),
        add("another.png", photograph.crop((300, 200, 540, 360)), "test"),
    ]
    alike, complete = duplicates.find_alike(images)
    found = {frozenset(names(pair)) for pair in alike}
    others = ("compressed.jpg", "smaller.png", "turned.jpg")
    assert {frozenset(["original.png", name]) for name in others} <= found
    assert not any({"unused.png", "another.png"} & pair for pair in found)
    assert frozenset(["original.png", "same split.png"]) not in found
    assert complete


def test_different_images_of_one_hash_are_not_alike(add):
    """Plain colours all have the hash 0."""
    colours = [np.full([32, 32, 3], value, np.uint8) for value in (0, 128, 130, 255)]
    images = [
        add(f"{i}.png", Image.fromarray(colour), "train" if i % 2 else "test")
        for i, colour in enumerate(colours)
    ]
    assert len({image.entry.difference_hash for image in images}) == 1
    assert duplicates.find_alike(images) == ([], True)


def test_small_images_are_not_compared_by_their_looks(add, photograph):
    crop = photograph.crop((0, 0, 240, 160))
    for side, expected in ((31, 0), (32, 1)):
        image = crop.resize((40, side))
        images = [
            add(f"{side}.png", image, "train"),
            add(f"{side}.jpg", image, "test", quality=95),
        ]
        assert len(duplicates.find_alike(images)[0]) == expected


def test_file_that_vanishes_after_the_scan_is_like_nothing(add, photograph):
    crop = photograph.crop((0, 0, 90, 60))
    images = [add("0.png", crop, "train"), add("1.jpg", crop, "test", quality=95)]
    pathlib.Path(images[1].entry.path).unlink()
    assert duplicates.find_alike(images) == ([], True)
