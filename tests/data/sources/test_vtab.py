import pytest

from adafilter_tf import errors
from adafilter_tf.data import sources
from adafilter_tf.data.sources import vtab


# Written out of the data classes of google-research/task_adaptation, for TFDS's sizes.
@pytest.mark.parametrize(
    ("name", "train_size", "validation", "test"),
    [
        ("dtd", 1880, "validation[:200]", "test"),
        ("oxford_iiit_pet", 3680, "train[2944:3144]", "test"),
        ("cifar100", 50_000, "train[45000:45200]", "test"),
        ("eurosat", 27_000, "train[16200:16400]", "train[80%:]"),
    ],
)
def test_slices_are_those_of_the_benchmark(name, train_size, validation, test):
    task = vtab.TASKS[name]
    assert vtab.slice_splits(task, {"train": train_size}) == {
        "train": "train[:800]",
        "validation": validation,
        "test": test,
    }


def test_task_is_extracted_apart_from_the_whole_data_set(
    tmp_path, mock_flowers, monkeypatch
):
    monkeypatch.setattr(vtab, "NUM_TRAIN", 3)
    monkeypatch.setattr(vtab, "NUM_VALIDATION", 2)
    source = sources.load_source("vtab:oxford_flowers102", data_dir=str(tmp_path))
    assert list(source) == ["train", "validation", "test"]
    assert len(source["train"].class_names) == 102
    folder = tmp_path / "adafilter_tf" / "vtab1k" / "oxford_flowers102" / "2.1.1"
    assert source["train"].paths[0].startswith(str(folder / "train"))


def test_unknown_task_lists_the_known(tmp_path):
    with pytest.raises(errors.UsageError, match="vtab:clevr; allowed are caltech101, "):
        sources.load_source("vtab:clevr", data_dir=str(tmp_path))
