"""Image files that are extracted once; the bundled digits."""

import pathlib

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import digits, extraction


@pytest.fixture
def png(encode):
    return encode(np.zeros([2, 2], np.uint8), "PNG")


def _extract(tmp_path, images, splits=("train",)):
    return extraction.extract_once(
        "name/1.0.0",
        data_dir=str(tmp_path),
        class_names=["b", "a"],
        read_splits=lambda: [(split, iter(images)) for split in splits],
    )


def test_digits_are_scikit_learns_pixels_scaled_to_bytes(tmp_path):
    examples = digits.load_digits(str(tmp_path))["all"]
    bundled = datasets.load_digits()
    assert examples.labels == tuple(bundled.target)
    assert examples.class_names == tuple("0123456789")
    for i in (0, 1, 1796):
        expected = np.floor(bundled.images[i] * 255 / 16 + 0.5)
        np.testing.assert_array_equal(Image.open(examples.paths[i]), expected)
    folder = tmp_path / "adafilter_tf" / "digits" / "1.0.0" / "all"
    assert examples.paths[1796] == str(folder / "001796.png")
    assert len(list(folder.iterdir())) == 1797


def test_bytes_are_kept_and_named_by_format(tmp_path, png, encode):
    jpeg = encode(np.zeros([2, 2], np.uint8))
    result = _extract(tmp_path, [(png, 1), (jpeg, 0)], ("train", "test"))
    folder = tmp_path / "adafilter_tf" / "name" / "1.0.0"
    for split in ("train", "test"):
        paths = (str(folder / split / "000000.png"), str(folder / split / "000001.jpg"))
        assert result[split] == Examples(paths, (1, 0), ("b", "a"))
        assert [pathlib.Path(path).read_bytes() for path in paths] == [png, jpeg]


def test_finished_extraction_is_read_not_repeated(tmp_path, png):
    first = _extract(tmp_path, [(png, 1)])
    assert _extract(tmp_path, [(b"never read", 0)]) == first


def test_interrupted_extraction_leaves_nothing_and_is_repeated(tmp_path, png):
    def interrupted():
        yield png, 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _extract(tmp_path, interrupted())
    assert list((tmp_path / "adafilter_tf" / "name").iterdir()) == []
    assert _extract(tmp_path, [(png, 1)])["train"].labels == (1,)


def test_folder_of_a_killed_extraction_is_not_taken_as_complete(tmp_path, png):
    left = tmp_path / "adafilter_tf" / "name" / "1.0.0.unfinished-abc" / "train"
    left.mkdir(parents=True)
    (left / "000000.png").write_bytes(png)
    assert _extract(tmp_path, [(png, 1), (png, 0)])["train"].labels == (1, 0)


def test_extraction_that_another_process_finished_first_is_used(tmp_path, png):
    def overtaken():
        yield png, 0
        _extract(tmp_path, [(png, 1), (png, 1)])

    assert _extract(tmp_path, overtaken())["train"].labels == (1, 1)
    (folder,) = (tmp_path / "adafilter_tf" / "name").iterdir()
    assert folder.name == "1.0.0"


def _cut(path):
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("name", ["manifest.json", "train/000000.png"])
@pytest.mark.parametrize(
    "damage", [_cut, lambda path: path.write_bytes(b""), pathlib.Path.unlink]
)
def test_damaged_extraction_is_repeated(tmp_path, png, name, damage):
    if damage is _cut and name != "manifest.json":
        pytest.skip("the scan of the images finds a cut image")
    first = _extract(tmp_path, [(png, 1)])
    folder = tmp_path / "adafilter_tf/name/1.0.0"
    damage(folder / name)
    assert _extract(tmp_path, [(png, 1)]) == first
    assert (folder / "train/000000.png").read_bytes() == png


def test_edited_manifest_is_found_by_its_checksum(tmp_path, png):
    first = _extract(tmp_path, [(png, 1)])
    path = tmp_path / "adafilter_tf/name/1.0.0/manifest.json"
    path.write_text(path.read_text().replace('"labels": [1]', '"labels": [0]'))
    assert _extract(tmp_path, [(png, 1)]) == first


def test_other_image_formats_are_named(tmp_path):
    message = "Image 0 of split 'train' is a PDF file, not an image"
    with pytest.raises(errors.RunError, match=message):
        _extract(tmp_path, [(b"%PDF-1.7", 0)])


def test_folder_that_cannot_be_written_is_named(tmp_path, png):
    (tmp_path / "adafilter_tf").write_text("a file where a folder should be")
    with pytest.raises(errors.RunError, match="name/1.0.0 cannot .* with --data_dir"):
        _extract(tmp_path, [(png, 0)])


def test_default_data_dir_is_that_of_tfds(monkeypatch):
    from tensorflow_datasets.core import constants

    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    assert extraction.default_data_dir() == constants.get_default_data_dir()
    monkeypatch.setenv("TFDS_DATA_DIR", "/somewhere")
    assert extraction.default_data_dir() == "/somewhere"
