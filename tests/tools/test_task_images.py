import collections
import dataclasses

import numpy as np
import pytest
from PIL import Image

from tests.files import package_files
from tools import task_images


def _images(count, class_name="a", split="", seed=0):
    random = np.random.default_rng(seed)
    return [
        task_images.TaskImage(
            class_name,
            f"{class_name}{number}",
            f"{class_name}{number}",
            random.integers(0, 256, (32, 32, 3), np.uint8),
            split,
        )
        for number in range(count)
    ]


def _names(images, split):
    return {image.name for image in images if image.split == split}


def test_transparent_pixels_become_white_and_proportions_stay():
    red = np.zeros((64, 32, 4), np.uint8)
    red[:, :, 0], red[:48, :, 3] = 255, 255  # The lower quarter is transparent.

    pixels = task_images.decode(package_files.png(red), ".png")

    # 64x32 is centred on white 64x64 and halved: columns 8 to 23, rows 0 to 23 are red.
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(pixels[12, 16], [255, 0, 0])
    for row, column in ((12, 3), (12, 28), (29, 16)):
        np.testing.assert_array_equal(pixels[row, column], [255, 255, 255])


def test_shrinking_averages_what_it_replaces():
    stripes = np.zeros((256, 256, 3))
    stripes[:, ::2] = 255  # Every second column: without antialiasing black or white.

    pixels = task_images.decode(package_files.png(stripes), ".png")

    # At the border the filter sees fewer pixels.
    assert np.abs(pixels[2:-2, 2:-2].astype(int) - 127).max() <= 3


def test_images_of_their_own_size_are_reduced_and_never_enlarged():
    wide = np.zeros((50, 100, 3))
    wide[..., 1] = 200

    own = task_images.decode(package_files.png(wide), ".png", max_size=160)
    reduced = task_images.decode(package_files.png(wide), ".png", max_size=40)

    # Padded with white above and below to 100x100.
    assert own.shape == (100, 100, 3)
    np.testing.assert_array_equal(own[:25], 255)
    np.testing.assert_array_equal(own[25:75] - [0, 200, 0], 0)
    assert reduced.shape == (40, 40, 3)
    np.testing.assert_array_equal(reduced[20, 20], [0, 200, 0])
    np.testing.assert_array_equal(reduced[3, 20], [255, 255, 255])


def test_damaged_file_is_unusable():
    with pytest.raises(task_images.UnusableImageError):
        task_images.decode(package_files.random_png(0)[:60], ".png")


def test_variants_of_a_drawing_share_their_base_name():
    names = ["clouds_jon_01", "Clouds_jon_10", "clouds_jon", "cep-2", "2"]

    assert [task_images.base_name(n) for n in names] == [
        *["clouds_jon"] * 3,
        "cep",
        "2",
    ]


def test_drawing_is_one_in_all_colors_and_directions():
    names = ["led_circle_h_red", "Led_circle_v_green_02", "arrow-left-blue_benji_01"]

    assert [task_images.drawing_name(n) for n in names] == [
        *["led_circle"] * 2,
        "arrow_benji",
    ]
    # Words within words stay, and so does a name of nothing else.
    assert task_images.drawing_name("bluebird") == "bluebird"
    assert task_images.drawing_name("red_2") == "red"


def test_mirrored_and_nearly_equal_images_are_dropped():
    first, second = _images(2)
    mirrored = task_images.TaskImage("a", "b", "b", first.pixels[:, ::-1])
    brighter = task_images.TaskImage("b", "a", "a", np.maximum(second.pixels, 3))

    kept = task_images.drop_near_duplicates([mirrored, brighter, second, first])

    assert [image.name for image in kept] == ["a0", "a1"]


def test_near_duplicates_of_a_larger_size_are_dropped():
    small, other = _images(2)
    large = small.pixels.repeat(3, 0).repeat(3, 1)
    copy = dataclasses.replace(small, name="b", pixels=large)
    mirrored = dataclasses.replace(other, name="c", pixels=large[:, ::-1])

    kept = task_images.drop_near_duplicates([copy, mirrored, other])

    assert [image.name for image in kept] == ["a1", "b"]


def test_dropped_images_are_those_of_comparing_all_pairs():
    random = np.random.default_rng(3)
    scenes = random.integers(0, 256, (6, 32, 32, 3))
    noise = random.integers(0, 18, (60, 32, 32, 3))  # Some pairs differ by 4, or less.
    shares = random.random((60, 1, 1, 1))
    pixels = np.clip(scenes.repeat(10, 0) + noise * shares, 0, 255).astype(np.uint8)
    pixels[::7] = pixels[::7, :, ::-1]
    images = [
        task_images.TaskImage("a", f"{number:02d}", "", image)
        for number, image in enumerate(pixels)
    ]

    kept = task_images.drop_near_duplicates(images)

    expected: list[int] = []
    for number, image in enumerate(pixels.astype(float)):
        earlier = pixels[expected].astype(float)
        both = [np.abs(earlier - v).mean((1, 2, 3)) for v in (image, image[:, ::-1])]
        if not np.any(np.array(both) < 4):
            expected.append(number)
    assert [int(image.name) for image in kept] == expected
    assert 6 < len(kept) < 60


def test_small_classes_go_and_large_ones_are_cut():
    images = _images(2, "small") + _images(5, "fit") + _images(9, "large")

    kept = task_images.select(images, min_images=3, max_images=6)

    counts = collections.Counter(image.class_name for image in kept)
    assert counts == {"fit": 5, "large": 6}


def test_splits_are_disjoint_complete_and_of_the_share_asked():
    images = task_images.assign_splits(_images(40) + _images(20, "b"), 0.35)

    train, test = _names(images, "train"), _names(images, "test")
    assert not train & test
    assert len(train | test) == 60
    assert (len([n for n in test if n[0] == "a"]), len(test)) == (14, 21)


def test_split_depends_on_the_names_alone():
    images, others = _images(30), _images(30, seed=1)

    ways = (images, images[::-1], others)
    tests = [_names(task_images.assign_splits(i, 0.3), "test") for i in ways]

    assert tests[0] == tests[1] == tests[2]


def test_a_group_is_never_in_both_splits():
    images = [
        task_images.TaskImage("a", str(n), str(n // 4), np.zeros((2, 2), np.uint8))
        for n in range(40)
    ]

    images = task_images.assign_splits(images, 0.3)

    groups = [{i.group for i in images if i.split == s} for s in ("train", "test")]
    assert len(groups[1]) == 3
    assert not groups[0] & groups[1]


def test_class_without_enough_images_in_either_split_is_dropped():
    images = _images(5, "a", "train") + _images(3, "a", "test")
    images += _images(9, "b", "train") + _images(2, "b", "test")
    images += _images(4, "c", "train") + _images(7, "c", "test")

    kept = task_images.drop_unsplit(images, {"train": 5, "test": 3})

    assert {image.class_name for image in kept} == {"a"}
    assert len(kept) == 8
    assert task_images.drop_unsplit(images, {}) == images


def test_split_of_the_source_is_kept():
    images = task_images.assign_splits(_images(5, split="test"), 0.2)

    assert len(_names(images, "test")) == 5


def test_written_images_are_read_back(tmp_path):
    (image,) = _images(1, split="train")
    task_images.write([image], tmp_path)

    with Image.open(tmp_path / "train" / "a" / "a0.png") as read:
        np.testing.assert_array_equal(read, image.pixels)
