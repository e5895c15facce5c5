import dataclasses
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

from adafilter_tf import errors
from adafilter_tf.data.sources import image_folder
from tests.files import package_files
from tools import prepare_tasks


@pytest.fixture
def package_dir(tmp_path, monkeypatch):
    """A folder with a package of 2 categories of 10 drawings; task "tiny" reads it."""
    folder = tmp_path / "packages"
    folder.mkdir()
    drawing = package_files.random_png
    members = {
        f"./usr/share/openclipart/png/{category}/{number}x.png": drawing(number + start)
        for category, start in (("animals", 0), ("tools", 100))
        for number in range(10)
    }
    content = package_files.deb(members)
    (folder / "tiny.deb").write_bytes(content)
    task = dataclasses.replace(
        prepare_tasks.TASKS["openclipart_half"],
        package=package_files.package(content, "tiny.deb", "apt-get"),
        min_images=5,
        test_share=0.3,
    )
    monkeypatch.setitem(prepare_tasks.TASKS, "tiny", task)
    return str(folder)


def test_prepared_folder_is_what_the_dataset_flag_reads(package_dir, tmp_path):
    assert prepare_tasks.prepare("tiny", str(tmp_path / "data"), package_dir)

    splits = image_folder.load_folder(str(tmp_path / "data" / "tiny"))
    assert splits["train"].class_names == ("animals", "tools")
    assert splits["train"].count_per_class().tolist() == [7, 7]
    assert splits["test"].count_per_class().tolist() == [3, 3]
    assert prepare_tasks.summarize(tmp_path / "data" / "tiny") == (
        "2 classes, 14 training and 6 test images"
    )


def test_licence_names_source_licence_and_changes(package_dir, tmp_path):
    prepare_tasks.prepare("tiny", str(tmp_path), package_dir)

    licence = (tmp_path / "tiny" / "LICENCE.txt").read_text("utf-8")
    for part in (
        "Source: apt-get package tiny 1.0\n",
        "Licence: CC0\n",
        "Origin: Random pixels by nobody\n",
        "Changes: seven categories, at most 300",
    ):
        assert part in licence


def test_prepared_twice_is_nothing_done(package_dir, tmp_path):
    prepare_tasks.prepare("tiny", str(tmp_path), package_dir)

    # No package is needed any more.
    assert not prepare_tasks.prepare("tiny", str(tmp_path), str(tmp_path / "nowhere"))


def test_interrupted_preparation_leaves_no_task(package_dir, tmp_path, monkeypatch):
    partial = tmp_path / ".tiny.partial" / "train" / "stale"
    partial.mkdir(parents=True)

    prepare_tasks.prepare("tiny", str(tmp_path), package_dir)

    assert not (tmp_path / "tiny" / "train" / "stale").exists()
    assert not (tmp_path / ".tiny.partial").exists()


def test_unknown_task_lists_the_known():
    with pytest.raises(
        errors.UsageError,
        match="^Received --tasks=cars; allowed are small, large, mnist_5k, fashion_",
    ):
        prepare_tasks.parse_names(["mnist_5k", "cars"])


def test_group_stands_for_its_tasks():
    names = prepare_tasks.parse_names(["mnist_5k", "large"])

    assert names[0] == "mnist_5k"
    assert names[1:] == list(prepare_tasks.LARGE_TASKS)
    assert not set(prepare_tasks.SMALL_TASKS) & set(prepare_tasks.LARGE_TASKS)


def test_large_task_keeps_the_size_and_the_rule_of_its_classes(tmp_path, monkeypatch):
    members = {
        f"package/assets/{letter}{number:03d}.jpeg": package_files.random_png(
            number + start, size
        )
        for letter, count, start, size in (("A", 14, 0, 200), ("B", 13, 100, 96))
        for number in range(count)
    }
    members |= {
        f"package/assets/E{number:03d}.jpeg": package_files.random_png(number + 200, 96)
        for number in range(110)
    }
    content = package_files.tar(members)
    (tmp_path / "tiny.tgz").write_bytes(content)
    task = prepare_tasks.TASKS["food_photographs"]
    task = dataclasses.replace(task, package=package_files.package(content, "tiny.tgz"))
    monkeypatch.setitem(prepare_tasks.TASKS, "tiny", task)

    prepare_tasks.prepare("tiny", str(tmp_path), str(tmp_path))

    assert prepare_tasks.summarize(tmp_path / "tiny") == (
        "2 classes, 74 training and 40 test images"
    )
    for class_name, size in (("cereals", 160), ("fruits", 96)):
        (path, *_) = (tmp_path / "tiny" / "train" / class_name).glob("*.png")
        with Image.open(path) as image:
            assert image.size == (size, size)


def test_package_of_labels_is_checked_and_read(package_dir, tmp_path, monkeypatch):
    task = prepare_tasks.TASKS["tiny"]
    content = package_files.tar({"labels.json": b"{}"})
    pathlib.Path(package_dir, "labels.tgz").write_bytes(content)
    files = []

    def read(path, labels_path):
        files.extend([path.name, labels_path.name])
        return task.read(path)

    labels = package_files.package(content, "labels.tgz")
    labeled = dataclasses.replace(task, read=read, labels=labels)
    monkeypatch.setitem(prepare_tasks.TASKS, "labeled", labeled)

    prepare_tasks.prepare("labeled", str(tmp_path), package_dir)

    assert files == ["tiny.deb", "labels.tgz"]
    assert prepare_tasks.summarize(tmp_path / "labeled").startswith("2 classes, 14")


@pytest.mark.slow
def test_missing_package_is_one_line_and_exit_code_1(tmp_path):
    command = [sys.executable, "-m", "tools.prepare_tasks", "--tasks=openmoji"]
    command += [f"--package_dir={tmp_path}", f"--data_dir={tmp_path}"]

    result = subprocess.run(command, capture_output=True, text=True)

    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"prepare_tasks: {tmp_path}/openmoji-17.0.0.tgz")
