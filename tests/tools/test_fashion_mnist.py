import gzip
import re
import struct

import numpy as np
import pytest

from adafilter_tf import errors
from tools import fashion_mnist


def _write(path, content):
    path.write_bytes(gzip.compress(content))
    return str(path)


def _idx(*shape, values):
    header = struct.pack(f">BBBB{len(shape)}i", 0, 0, 8, len(shape), *shape)
    return header + bytes(values)


def test_read_idx_gives_the_values_in_row_order(tmp_path):
    path = _write(tmp_path / "a.gz", _idx(2, 1, 3, values=[1, 2, 3, 253, 254, 255]))

    np.testing.assert_array_equal(
        fashion_mnist.read_idx(path), [[[1, 2, 3]], [[253, 254, 255]]]
    )


def test_missing_file_names_the_debian_package(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"

    with pytest.raises(errors.RunError, match=re.escape(str(path))) as error:
        fashion_mnist.load(str(tmp_path))

    assert "`apt-get install dataset-fashion-mnist`" in str(error.value)
    assert "--fashion_mnist_dir" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_idx(5, values=[1, 2, 3]), "has 3 values; its header promises 5."),
        (b"\0\0\x0d\x00", "begins with the bytes 00 00 0d 00; an idx file begins"),
        (b"\0\0\x08\x02\0\0", "begins with the bytes 00 00 08 02 00 00; an idx"),
        (b"\0\0\x08", "begins with the bytes 00 00 08; an idx file begins"),
        (b"", "begins with the bytes ; an idx file begins"),
    ],
)
def test_content_that_is_no_idx_file_is_refused(tmp_path, content, message):
    path = _write(tmp_path / "a.gz", content)

    with pytest.raises(errors.RunError, match=re.escape(f"{path} {message}")):
        fashion_mnist.read_idx(path)


def test_cut_off_gzip_file_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(_idx(4, values=[1, 2, 3, 4]))[:-9])

    with pytest.raises(errors.RunError, match=f"^Cannot read {path}: .*again"):
        fashion_mnist.read_idx(str(path))


@pytest.fixture
def folder(tmp_path):
    for prefix, labels in (("train", [9, 0, 3]), ("t10k", [7])):
        count = len(labels)
        images = _idx(count, 2, 2, values=range(4 * count))
        _write(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        _write(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", _idx(count, values=labels))
    return tmp_path


def test_load_pairs_images_and_labels(folder):
    source = fashion_mnist.load(str(folder))

    assert source.train_images.shape == (3, 2, 2, 1)
    np.testing.assert_array_equal(source.train_images[1, ..., 0], [[4, 5], [6, 7]])
    np.testing.assert_array_equal(source.train_labels, [9, 0, 3])
    np.testing.assert_array_equal(source.test_labels, [7])
    assert source.class_names[9] == "ankle_boot"


def test_labels_of_another_count_are_refused(folder):
    _write(folder / "train-labels-idx1-ubyte.gz", _idx(2, values=[0, 1]))

    with pytest.raises(errors.RunError, match=r"shape \[3, 2, 2\] .* labels \[2\]"):
        fashion_mnist.load(str(folder))


def test_label_beyond_the_classes_is_refused(folder):
    _write(folder / "t10k-labels-idx1-ubyte.gz", _idx(1, values=[10]))

    with pytest.raises(errors.RunError, match=r"go up to 10; Fashion-MNIST has 0 to 9"):
        fashion_mnist.load(str(folder))


def test_half_keeps_its_five_classes_and_numbers_them_anew(folder):
    for prefix, labels in (("train", [8, 2, 4]), ("t10k", [0])):
        path = folder / f"{prefix}-labels-idx1-ubyte.gz"
        _write(path, _idx(len(labels), values=labels))

    half = fashion_mnist.load_half(str(folder))

    # The pullover is not in it; bag is its fifth class, coat its third.
    assert half.class_names == ("t_shirt_top", "trouser", "coat", "sandal", "bag")
    np.testing.assert_array_equal(half.train_labels, [4, 2])
    np.testing.assert_array_equal(half.train_images[1, ..., 0], [[8, 9], [10, 11]])
    np.testing.assert_array_equal(half.test_labels, [0])
