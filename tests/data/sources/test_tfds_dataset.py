"""TFDS data sets, with TFDS's own mock data in place of downloads."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from adafilter_tf import errors
from adafilter_tf.data import sources
from adafilter_tf.data.decoding import preprocessing


class OddPictures(tfds.core.GeneratorBasedBuilder):
    """Splits of unusual names, unlabelled images, two features of each kind."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  # as TFDS wants it
        tfds.core.BuilderConfig(name=name, version="1.0.0")
        for name in ("bytes", "floats")
    ]

    def _info(self):
        if self.builder_config.name == "floats":
            image = tfds.features.Image(shape=(4, 4, 1), dtype=np.float32)
        else:
            image = tfds.features.Image(shape=(4, 4, 3))
        features = tfds.features.FeaturesDict(
            {
                "image": image,
                "mask": tfds.features.Image(shape=(4, 4, 3)),
                "label": tfds.features.ClassLabel(names=["a", "b"]),
                "shape": tfds.features.ClassLabel(names=["round", "square"]),
            }
        )
        return self.dataset_info_from_configs(
            features=features, supervised_keys=("image", "label")
        )

    def _split_generators(self, dl_manager):
        labels = {"train": [0, 1, 1], "val": [1, 0], "test": [-1, -1]}
        return {split: self._generate_examples(of) for split, of in labels.items()}

    def _generate_examples(self, labels):
        image = self.info.features["image"]
        for number, label in enumerate(labels):
            yield (
                number,
                {
                    "image": np.full(image.shape, number, image.np_dtype),
                    "mask": np.full([4, 4, 3], 200 + number, np.uint8),
                    "label": label,
                    "shape": number % 2,
                },
            )


def test_split_val_is_validation_and_unlabelled_images_are_not_used(tmp_path):
    source = sources.load_source("odd_pictures/bytes", data_dir=str(tmp_path))
    assert {split: of.labels for split, of in source.items()} == {
        "train": (0, 1, 1),
        "validation": (1, 0),
    }


def test_keys_name_the_features(tmp_path):
    source = sources.load_source(
        "odd_pictures/bytes",
        data_dir=str(tmp_path),
        image_key="mask",
        label_key="shape",
    )
    assert source["train"].class_names == ("round", "square")
    assert source["train"].labels == (0, 1, 0)
    paths = map(pathlib.Path, source["train"].paths)
    decoded = [preprocessing.decode_image(path.read_bytes(), 3) for path in paths]
    assert [int(image[0, 0, 0]) for image in decoded] == [200, 201, 202]
    with pytest.raises(errors.UsageError, match="--image_key and --label_key"):
        sources.load_source(
            "odd_pictures/bytes", data_dir=str(tmp_path), image_key="label"
        )


def test_float_pixels_are_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="'image' are float32"):
        sources.load_source("odd_pictures/floats", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["oxford_flowers102", "tfds:oxford_flowers102:2.1.1"])
def test_splits_and_original_bytes_are_extracted(tmp_path, mock_flowers, name):
    source = sources.load_source(name, data_dir=str(tmp_path))
    assert {split: len(examples) for split, examples in source.items()} == {
        "train": 6,
        "validation": 6,
        "test": 6,
    }
    folder = tmp_path / "adafilter_tf" / "oxford_flowers102" / "2.1.1"
    assert source["test"].paths[5] == str(folder / "test" / "000005.png")
    dataset = tfds.load("oxford_flowers102", split="test", as_supervised=True)
    for i, (image, label) in enumerate(tfds.as_numpy(dataset)):
        path = pathlib.Path(source["test"].paths[i])
        decoded = preprocessing.decode_image(path.read_bytes(), 3)
        assert source["test"].labels[i] == label
        np.testing.assert_array_equal(decoded, image)
    assert len(source["train"].class_names) == 102
    assert source["train"].class_names[0] == "pink primrose"


def test_second_load_reads_the_extracted_files(tmp_path, mock_flowers, monkeypatch):
    first = sources.load_source("oxford_flowers102", data_dir=str(tmp_path))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", None)
    assert sources.load_source("oxford_flowers102", data_dir=str(tmp_path)) == first


def test_unknown_name_lists_forms_and_close_matches(tmp_path):
    with pytest.raises(errors.UsageError) as caught:
        sources.load_source("oxford_flower102", data_dir=str(tmp_path))
    message = str(caught.value)
    assert message.startswith(
        "dataset=oxford_flower102 is unknown; allowed are digits, emoji, folder:PATH, "
        "csv:FILE, tfrecord:FILES, parquet:FILES and the image data sets of TFDS as "
        "tfds:NAME[/CONFIG][:VERSION]. "
        "Did you mean oxford_flowers102"
    )
    assert "\n" not in message


@pytest.mark.parametrize("name", ["digit", "tfds:digitts"])
def test_misspelt_digits_are_recognised(tmp_path, name):
    with pytest.raises(errors.UsageError, match="Did you mean digits"):
        sources.load_source(name, data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["no such set", "../x", "huggingface:mnist", ""])
def test_malformed_name_is_unknown(tmp_path, name):
    with pytest.raises(errors.UsageError, match="is unknown; allowed are digits"):
        sources.load_source(f"tfds:{name}", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["cifar10/nope", "oxford_flowers102:9.9.9"])
def test_unknown_configuration_or_version(tmp_path, name):
    with pytest.raises(errors.UsageError) as caught:
        sources.load_source(name, data_dir=str(tmp_path))
    assert f"tfds:{name} has an unknown configuration or version" in str(caught.value)


def test_data_set_without_image_and_label_is_refused(tmp_path):
    message = "imdb_reviews is not .* supervised keys: .'text', 'label'.* folder:PATH"
    with pytest.raises(errors.UsageError, match=message):
        sources.load_source("imdb_reviews", data_dir=str(tmp_path))


def test_data_set_of_videos_is_refused(tmp_path):
    message = "ucf101_1 is not .* supervised keys: None; its features: video, label.;"
    with pytest.raises(errors.UsageError, match=message):
        sources.load_source("ucf101/ucf101_1", data_dir=str(tmp_path))


def _failing_download(error):
    def download_and_prepare(self):
        raise error

    return download_and_prepare


def test_failed_download_says_where_to_put_the_data(tmp_path, monkeypatch):
    failing = _failing_download(ConnectionError("Name or service not known\nmore"))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", failing)
    with pytest.raises(errors.RunError) as caught:
        sources.load_source("oxford_flowers102", data_dir=str(tmp_path))
    folder = tmp_path / "oxford_flowers102" / "2.1.1"
    message = str(caught.value)
    assert "(ConnectionError: Name or service not known)" in message
    assert f"copy its folder to {folder}" in message
    assert "tfds.builder('oxford_flowers102').download_and_prepare()" in message
    assert message.endswith("configs/digits.cfg works without network.")
    assert caught.value.exit_code == 1 and "\n" not in message
    assert list((tmp_path / "adafilter_tf" / "oxford_flowers102").iterdir()) == []


def test_missing_module_is_named(tmp_path, monkeypatch):
    failing = _failing_download(ModuleNotFoundError("No module named 'scipy'"))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", failing)
    message = r"\(No module named 'scipy'\): install it with pip"
    with pytest.raises(errors.RunError, match=message):
        sources.load_source("oxford_flowers102", data_dir=str(tmp_path))
