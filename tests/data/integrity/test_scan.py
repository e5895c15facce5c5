"""Every kind of file that a data set of the wild has."""

import io
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from adafilter_tf.data.decoding import conversion, image_format, preprocessing
from adafilter_tf.data.integrity import manifest, scan
from tests.data.decoding import hostile_files


@pytest.fixture
def hostile(tmp_path, photograph):
    """Status by path of all hostile files."""
    folder = tmp_path / "wild"
    folder.mkdir()
    statuses = hostile_files.write_all(folder, Image.fromarray(photograph))
    reasons = hostile_files.write_no_files(folder, image_format.MAX_BYTES)
    return statuses | {str(folder / name): reason for name, reason in reasons.items()}


def _decode(path):
    """What training makes of a file, or None."""
    pixels, _ = conversion.read_image(
        path, lambda encoded: preprocessing.decode_image(encoded, 3), channels=3
    )
    return pixels


def test_every_kind_of_file_is_told_apart(hostile):
    found = {entry.path: entry.status for entry in scan.scan_images(list(hostile))}
    assert len(hostile) > 50
    assert found == hostile


def test_scan_and_training_agree_on_what_can_be_used(hostile):
    assert {path for path in hostile if _decode(path) is not None} == {
        path for path, status in hostile.items() if status == "ok"
    }


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_a_small_decode_finds_the_damage_that_training_meets(
    tmp_path, photograph, encode, options
):
    """Large JPEGs are decoded at an eighth of their size; bytes changed and cut."""
    rng = np.random.default_rng(0)
    whole = encode(np.tile(photograph, [6, 5, 1]), **options)
    path, found = tmp_path / "a.jpg", []
    for number in range(60):
        content = np.frombuffer(whole, np.uint8).copy()
        content[rng.integers(0, len(whole), number % 4)] = rng.integers(256)
        path.write_bytes(content[: len(whole) - rng.integers(0, 3) * 50].tobytes())
        usable = scan.examine_image(str(path)).status == "ok"
        assert usable == (_decode(str(path)) is not None), number
        found.append(usable)
    assert 5 < sum(found) < 55


def test_usable_files_have_the_pixels_that_pillow_sees(hostile):
    for path, status in hostile.items():
        name = pathlib.Path(path).name
        if status != "ok" or "alpha" in name or "transparent" in name or "16" in name:
            continue  # what is dropped of them is tested with the decoders
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        # CMYK has no one conversion; TensorFlow's and Pillow's differ by rounding.
        np.testing.assert_allclose(
            _decode(path), np.asarray(image), atol=2 if "CMYK" in name else 0
        )


def test_entry_tells_what_the_file_is(tmp_path, photograph):
    content = hostile_files.usable(Image.fromarray(photograph))["turned by EXIF.jpg"]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    entry = scan.examine_image(str(path))
    height, width = photograph.shape[:2]
    assert (entry.format, entry.height, entry.width) == ("JPEG", width, height)
    assert (entry.channels, entry.orientation) == (3, 6)
    assert entry.bytes == len(content)
    assert entry.modified == path.stat().st_mtime_ns


def test_content_alone_makes_the_difference_hash(photograph):
    """The same picture: larger, compressed, turned with a note; and another one."""
    image = Image.fromarray(photograph)
    turned = image.transpose(Image.Transpose.ROTATE_90)
    contents = {
        "original": hostile_files.encode(image, "PNG"),
        "compressed": hostile_files.encode(image, quality=40),
        "larger": hostile_files.encode(image.resize((400, 300))),
        "turned": hostile_files.encode(
            turned, "PNG", exif=hostile_files.orientation_tag(6)
        ),
        "mirrored": hostile_files.encode(ImageOps.mirror(image), "PNG"),
    }
    hashes = {}
    for name, content in contents.items():
        pixels = np.asarray(
            ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
        )
        hashes[name] = int(scan._hash_differences(pixels), 16)
    distance = {
        name: (value ^ hashes["original"]).bit_count() for name, value in hashes.items()
    }
    assert distance["turned"] == 0
    assert max(distance["compressed"], distance["larger"]) <= 6
    assert distance["mirrored"] > 16


def test_means_over_a_grid_are_those_of_its_cells():
    image = np.arange(4 * 6, dtype=np.float32).reshape(4, 6)
    cells = image.reshape(2, 2, 3, 2).mean((1, 3))
    np.testing.assert_array_equal(scan._average(image, 2, 3), cells)
    assert scan._average(image[:1, :1], 8, 9).shape == (8, 9)


def test_second_scan_reads_no_file_and_says_the_same(hostile, tmp_path, monkeypatch):
    cache = tmp_path / "manifests" / "a.csv"
    paths = list(hostile)
    first = scan.scan_images(paths, cache=cache)
    entries = manifest.read_manifest(cache)
    assert tuple(entries[path] for path in paths) == first
    read = []
    examine = scan.examine_image
    monkeypatch.setattr(
        scan, "examine_image", lambda path: read.append(path) or examine(path)
    )
    assert scan.scan_images(paths, cache=cache) == first
    # What could not be read has no content that a cache could stand for.
    unread = {entry.path for entry in first if not entry.sha256}
    assert set(read) == unread and len(unread) == 8


def test_changed_file_is_looked_at_again(make_folder, tmp_path):
    path = make_folder("0.png") / "0.png"
    cache = tmp_path / "cache.csv"
    assert scan.scan_images([str(path)], cache=cache)[0].status == "ok"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(0, 1))
    (entry,) = scan.scan_images([str(path)], cache=cache)
    assert entry.modified == 1
    assert manifest.read_manifest(cache)[str(path)] == entry


def test_interrupted_scan_keeps_what_it_has(make_folder, tmp_path, monkeypatch):
    folder = make_folder(*(f"{i}.png" for i in range(4)))
    paths = [str(folder / f"{i}.png") for i in range(4)]
    examine = scan.examine_image

    def fail_at_last(path):
        if path == paths[3]:
            raise KeyboardInterrupt
        return examine(path)

    monkeypatch.setattr(scan, "examine_image", fail_at_last)
    with pytest.raises(KeyboardInterrupt):
        scan.scan_images(paths, cache=tmp_path / "cache.csv")
    assert set(manifest.read_manifest(tmp_path / "cache.csv")) == set(paths[:3])


@pytest.mark.parametrize("content", ["", "path,bytes\nx,1\n", "\0\xff", 'path\n"x'])
def test_damaged_manifest_is_made_again(make_folder, tmp_path, caplog, content):
    path = str(make_folder("0.png") / "0.png")
    cache = tmp_path / "cache.csv"
    cache.write_text(content, encoding="latin-1")
    (entry,) = scan.scan_images([path], cache=cache)
    assert entry.status == "ok"
    assert list(manifest.read_manifest(cache)) == [path]


def test_manifest_that_cannot_be_written_is_no_error(make_folder, tmp_path, caplog):
    path = str(make_folder("0.png") / "0.png")
    (tmp_path / "file").write_text("")
    (entry,) = scan.scan_images([path], cache=tmp_path / "file" / "cache.csv")
    assert entry.status == "ok"
    assert "cannot be kept" in caplog.text and "--data_dir" in caplog.text


def test_data_sets_have_manifests_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["folder:a", "folder:b", "csv:a", "tfds:a"]
    paths = {manifest.default_path(name, "data") for name in names}
    assert len(paths) == 4
    assert manifest.default_path(f"folder:{tmp_path}/a", "data") in paths


def test_names_that_are_not_utf_8_are_trained_on(hostile):
    from adafilter_tf.data import pipeline

    (path,) = [path for path in hostile if not path.isascii() and "UTF-8" in path]
    spec = preprocessing.ImageSpec(image_size=8, channels=3, crop_fraction=1.0)
    dataset = pipeline.evaluation_dataset([path], spec, batch_size=1)
    expected = preprocessing.preprocess_for_evaluation(
        tf.constant(pathlib.Path(path).read_bytes()), spec
    )
    np.testing.assert_array_equal(next(iter(dataset))[0], expected)
