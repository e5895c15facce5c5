"""The flagfiles of published data sets: each says a run that can begin."""

import pathlib
import re

import pytest
import tensorflow as tf
from absl import flags

from adafilter_tf.cli import dataset as run_dataset
from adafilter_tf.cli import flagfile, settings
from adafilter_tf.cli.flags import define_flags
from tests import conftest
from tests.files import package_files
from tools import prepare_paper

CONFIGS = sorted(pathlib.Path("configs/paper").glob("*.cfg"))
TFDS_SPLITS = {
    "cars196": ("train", "test"),
    "cub200": ("train", "test"),
    "dtd": ("train", "validation", "test"),
    "eurosat": ("train",),
    "oxford_iiit_pet": ("train", "test"),
    "stanford_dogs": ("train", "test"),
}


def parse(path):
    values = flags.FlagValues()
    define_flags(values)
    assert values(["run", f"--flagfile={path}"]) == ["run"]
    return values


def encoded_images(builder, *args, **kwargs):
    """Six images; TFDS's own mock draws boxes that its features refuse."""
    images = [package_files.random_png(index) for index in range(6)]
    return tf.data.Dataset.from_tensor_slices(
        {"image": images, "label": [0, 1, 2, 0, 1, 2]}
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_flagfile_resolves(path):
    values = parse(path)
    flagfile.check_unused(values)
    settings.resolve_defaults(values)

    assert values.output_dir == f"runs/paper/{path.stem}"
    assert (values.image_size, values.precision) == (224, "float32")
    form, _, name = values.dataset.partition(":")
    assert form in ("folder", "tfds")
    if form == "folder":
        assert name == f"data/{path.stem}"
        assert path.stem in prepare_paper.TASKS
    else:
        assert re.fullmatch(r".*:\d+\.\d+\.\d+", name)  # Pinned.
        assert path.stem in TFDS_SPLITS


def test_every_prepared_task_has_a_flagfile():
    assert {*prepare_paper.TASKS, *TFDS_SPLITS} == {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_head_says_whose_numbers_these_are_and_the_command(path):
    head = " ".join(path.read_text("utf-8").split("\n--")[0].replace("#", "").split())
    assert "The hyper-parameters are ours" in head
    assert f"python -m adafilter_tf.run --flagfile={path}" in head
    if path.stem in prepare_paper.TASKS:
        assert f"python -m tools.prepare_paper --task={path.stem} --archive=" in head


@pytest.mark.parametrize("name", TFDS_SPLITS)
def test_tfds_data_set_is_read_and_split(name, tmp_path):
    values = parse(f"configs/paper/{name}.cfg")
    values.data_dir = str(tmp_path / "data")
    _, _, dataset = values.dataset.partition(":")
    with conftest.mock_tfds(
        dataset,
        TFDS_SPLITS[name],
        tmp_path / "metadata",
        as_dataset_fn=encoded_images,
    ):
        source = run_dataset.load_source(values)

    assert {split: len(part) for split, part in source.items()} == dict.fromkeys(
        TFDS_SPLITS[name], 6
    )
    assert source["train"].labels == (0, 1, 2, 0, 1, 2)
    classes = {"cars196": 196, "cub200": 200, "dtd": 47, "eurosat": 10}
    expected = classes | {"oxford_iiit_pet": 37, "stanford_dogs": 120}
    assert len(source["train"].class_names) == expected[name]


def test_stanford_dogs_says_where_its_images_come_from():
    sentence = "images of Stanford Dogs come from ImageNet"
    for path in ("configs/paper/stanford_dogs.cfg", "docs/references.md"):
        assert sentence in " ".join(pathlib.Path(path).read_text("utf-8").split())
