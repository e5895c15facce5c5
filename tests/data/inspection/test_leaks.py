"""Training images among those that evaluate a run."""

import shutil

import numpy as np
import pytest
from PIL import Image

from adafilter_tf.data.examples import Examples
from adafilter_tf.data.inspection import leaks
from adafilter_tf.data.integrity import scan


def _examples(paths):
    return Examples(tuple(map(str, paths)), (0,) * len(paths), ("a",))


@pytest.fixture
def trained(tmp_path, photograph):
    paths = []
    for number in range(3):
        turned = np.rot90(np.tile(photograph, [2, 2, 1]), number)
        paths.append(tmp_path / f"train{number}.png")
        Image.fromarray(turned).save(paths[-1])
    return _examples(paths)


def _digests(examples):
    return {entry.path: entry.sha256 for entry in scan.scan_images(examples.paths)}


def test_copies_links_and_spellings_count_by_content(tmp_path, trained):
    shutil.copy(trained.paths[0], tmp_path / "copy")
    (tmp_path / "link.png").symlink_to(trained.paths[1])
    other = tmp_path / "other.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
                    ).save(other)  # fmt: skip
    spelt = f"{tmp_path}/../{tmp_path.name}/train2.png"
    examples = _examples([tmp_path / "copy", tmp_path / "link.png", spelt, other])
    assert leaks.find_leak(examples, trained, _digests(trained)) == leaks.Leak(3, 0)


def test_images_that_look_alike_are_a_number_of_their_own(tmp_path, trained):
    Image.open(trained.paths[0]).save(tmp_path / "again.jpg", quality=95)
    examples = _examples([tmp_path / "again.jpg"])
    assert leaks.find_leak(examples, trained, _digests(trained)) == leaks.Leak(0, 1)


def test_training_images_that_are_gone_count_by_their_record(tmp_path, trained):
    digests = _digests(trained)
    for number, path in enumerate(trained.paths):
        shutil.move(path, tmp_path / f"moved{number}.png")
    examples = _examples([tmp_path / "moved1.png"])
    assert leaks.find_leak(examples, trained, digests) == leaks.Leak(1, None)
