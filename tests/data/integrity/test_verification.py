"""Unreadable images are found before a run."""

import csv
import re

import pytest
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.data.integrity import verification

SKIP = verification.Rule("skip")


@pytest.fixture
def bad_files(tmp_path, photograph, encode):
    """Function from reason to the path of a file with that fault."""
    jpeg, png = encode(photograph), encode(photograph, "PNG")
    contents = {
        "an empty file, not an image": b"",
        "a truncated or damaged GIF file": encode(photograph[..., 0], "GIF")[:20],
        "a truncated or damaged WebP file": b"RIFF\0\0\0\0WEBPVP8 ",
        "a file of an unknown kind, not an image": b"hello",
        "a truncated or damaged JPEG file": jpeg[: len(jpeg) // 2],
        "a truncated or damaged PNG file": png[: len(png) // 2],
        "No such file or directory": None,
    }
    paths = {}
    for i, (reason, content) in enumerate(contents.items()):
        paths[reason] = str(tmp_path / f"bad{i}.jpg")
        if content is not None:
            (tmp_path / f"bad{i}.jpg").write_bytes(content)
    return paths


def _splits(folder, bad_paths=()):
    names = ("a", "b")
    good = [str(folder / f"{i}.png") for i in range(6)]
    labels = (0, 1) + (0,) * len(bad_paths)
    return Splits(
        Examples((*good[:2], *bad_paths), labels, names),
        Examples(tuple(good[2:4]), (0, 1), names),
        Examples(tuple(good[4:6]), (0, 1), names),
    )


@pytest.fixture
def folder(make_folder):
    return make_folder(*(f"{i}.png" for i in range(6)))


def test_readable_images_pass(folder):
    splits = _splits(folder)
    assert verification.verify_images(splits, channels=3) == (splits, ())


def test_first_unreadable_image_is_named_with_the_count(folder, bad_files):
    (reason, path), (_, other) = list(bad_files.items())[:2]
    message = (
        f"2 of 8 images cannot be used, first {path}: {reason}; replace or remove "
        "them, or leave them out with --on_bad_image=skip."
    )
    with pytest.raises(errors.RunError, match=re.escape(message)):
        verification.verify_images(_splits(folder, (path, other)), channels=3)


def test_skipped_images_are_dropped_and_listed_with_their_reason(folder, bad_files):
    splits = _splits(folder, bad_files.values())
    kept, bad = verification.verify_images(splits, SKIP)
    assert kept == _splits(folder)
    assert {image.reason: image.path for image in bad} == bad_files


def test_image_of_more_pixels_than_allowed_names_the_flag(folder):
    with Image.open(folder / "0.png") as image:
        num_pixels = image.width * image.height
    rule = verification.Rule("error", max_pixels=num_pixels - 1)
    with pytest.raises(errors.RunError, match=f"--max_image_pixels={num_pixels}"):
        verification.verify_images(_splits(folder), rule, channels=3)
    rule = verification.Rule("error", max_pixels=num_pixels)
    verification.verify_images(_splits(folder), rule, channels=3)


def test_cmyk_photograph_cannot_become_grey(tmp_path, folder, photograph):
    Image.fromarray(photograph).convert("CMYK").save(tmp_path / "cmyk.jpg")
    splits = _splits(folder, [str(tmp_path / "cmyk.jpg")])
    verification.verify_images(splits, channels=3)
    with pytest.raises(
        errors.RunError, match="a CMYK JPEG file, which cannot become grey"
    ):
        verification.verify_images(splits, channels=1)


def test_more_bad_images_than_allowed_stop_the_run(folder, bad_files):
    (_, path), *_ = bad_files.items()
    splits = _splits(folder, (path,))  # one of seven
    _, bad = verification.verify_images(splits, verification.Rule("skip", 1 / 7))
    assert len(bad) == 1
    message = (
        "1 of 7 images cannot be used, first .*. That is more than "
        "--max_bad_fraction=0.14 allows to leave out: replace or remove them, or allow"
    )
    with pytest.raises(errors.RunError, match=message):
        verification.verify_images(splits, verification.Rule("skip", 0.14))


def test_class_that_loses_all_images_stops_the_run(folder):
    (folder / "3.png").write_bytes(b"")
    message = "images class 'b' has none in validation (1 such classes)"
    with pytest.raises(errors.RunError, match=re.escape(message)):
        verification.verify_images(_splits(folder), SKIP)


def test_unknown_choice_is_refused():
    with pytest.raises(errors.UsageError, match="on_bad_image=keep: .* error and skip"):
        verification.Rule("keep")


def test_skipped_images_are_written_as_csv(tmp_path):
    skipped = (verification.BadImage("/x/a,b.png", 'an empty file; "odd"'),)
    verification.write_skipped(skipped, tmp_path / "skipped.csv")
    with (tmp_path / "skipped.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["path", "reason"], ["/x/a,b.png", 'an empty file; "odd"']]
    assert [p.name for p in tmp_path.iterdir()] == ["skipped.csv"]
