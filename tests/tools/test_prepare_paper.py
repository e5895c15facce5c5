"""Each published data set, from a tiny archive in its exact layout."""

import dataclasses
import functools
import importlib.util
import pathlib
import subprocess
import sys

import pytest

from adafilter_tf import errors
from adafilter_tf.data.decoding import image_format
from adafilter_tf.data.sources import image_folder
from tests.tools import published_archives
from tools import prepare_paper
from tools.paper import caltech256, ucf101, video


def fake_frames(content, frames):
    """Stands in for a video decoder: a frame's pixels tell the video."""
    seed = sum(content)
    return [published_archives.jpeg(seed + index) for index in range(frames)]


@pytest.fixture
def tiny(monkeypatch):
    """Makes a task expect the counts of the tiny archive."""

    def change(name, num_classes, counts, **changes):
        monkeypatch.setattr(prepare_paper, "CHECKSUMS", {})
        task = dataclasses.replace(
            prepare_paper.TASKS[name], num_classes=num_classes, counts=counts, **changes
        )
        monkeypatch.setitem(prepare_paper.TASKS, name, task)

    return change


@pytest.fixture
def tiny_ucf101(tiny, monkeypatch):
    monkeypatch.setattr(video, "check_installed", lambda: None)
    read = functools.partial(ucf101.read, decode=fake_frames)
    tiny("ucf101", 2, {"train+validation": 8, "test": 8}, read=read)


def prepare(name, paths, tmp_path, **options):
    folder = tmp_path / "data" / name
    assert prepare_paper.prepare(name, paths, folder, **options)
    return folder, image_folder.load_folder(str(folder))


def names_of(examples):
    return {pathlib.Path(path).name for path in examples.paths}


def test_aircraft_has_the_official_splits_by_variant(tiny, tmp_path):
    tiny("fgvc_aircraft", 2, {"train": 4, "validation": 2, "test": 2})
    paths = published_archives.aircraft(tmp_path)
    folder, splits = prepare("fgvc_aircraft", paths, tmp_path)

    assert splits["train"].class_names == ("707-320", "F-A-18")
    assert names_of(splits["test"]) == {"1000003.jpg", "2000003.jpg"}
    assert names_of(splits["validation"]) == {"1000002.jpg", "2000002.jpg"}
    # The bytes are the published ones, not encoded again: this one was made second.
    written = folder / "train" / "707-320" / "1000001.jpg"
    assert written.read_bytes() == published_archives.jpeg(1)
    assert prepare_paper.summarize(folder) == "train 4, validation 2, test 2 images"


def test_caltech256_30_is_among_60_with_the_same_test(tiny, tmp_path):
    paths = published_archives.caltech256(tmp_path)
    found = {}
    for per_class in (30, 60):
        name = f"caltech256_{per_class}"
        read = functools.partial(caltech256.read, per_class=per_class, num_images=164)
        tiny(name, 2, {"train": 2 * per_class, "test": 40}, read=read)
        found[per_class] = prepare(name, paths, tmp_path)[1]

    few, many = found[30], found[60]
    assert names_of(few["test"]) == names_of(many["test"])
    assert names_of(few["train"]) < names_of(many["train"])
    assert not names_of(many["train"]) & names_of(many["test"])
    assert few["train"].class_names == ("001.ak47", "257.clutter")
    assert few["train"].count_per_class().tolist() == [30, 30]


def test_caltech256_counts_the_whole_archive(tmp_path):
    paths = published_archives.caltech256(tmp_path, per_class=3)
    with pytest.raises(errors.RunError, match="holds 6 images instead of 30607"):
        prepare("caltech256_30", paths, tmp_path)


def test_indoor67_has_the_listed_images_and_turns_gif_into_png(tiny, tmp_path):
    tiny("indoor67", 2, {"train": 3, "test": 2})
    paths = published_archives.indoor67(tmp_path)
    folder, splits = prepare("indoor67", paths, tmp_path)

    assert names_of(splits["train"]) == {"a.jpg.jpg", "b.jpg.png", "c.jpg.jpg"}
    assert names_of(splits["test"]) == {"d.jpg.jpg", "e.jpg.jpg"}
    content = (folder / "train" / "bar" / "b.jpg.png").read_bytes()
    assert image_format.suffix_of(content) == ".png"


def test_indoor67_without_its_lists_says_what_is_needed(tmp_path):
    paths = published_archives.indoor67(tmp_path)[:2]
    with pytest.raises(errors.UsageError, match="TrainImages.txt and TestImages.txt"):
        prepare("indoor67", paths, tmp_path)


def test_omniglot_is_split_by_person(tiny, tmp_path):
    tiny("omniglot", 2, {"train": 22, "validation": 8, "test": 10})
    paths = published_archives.omniglot(tmp_path)
    _, splits = prepare("omniglot", paths, tmp_path)

    people = {
        split: {int(pathlib.Path(path).stem[-2:]) for path in examples.paths}
        for split, examples in splits.items()
    }
    assert people == {
        "train": set(range(1, 12)),
        "validation": set(range(12, 16)),
        "test": set(range(16, 21)),
    }
    assert splits["train"].class_names == ("Greek_character01", "Oriya_character01")


def test_omniglots_published_counts_are_the_decathlons():
    counts = prepare_paper.TASKS["omniglot"].counts
    assert counts == {"train": 17853, "validation": 6492, "test": 8115}


def test_ucf101_keeps_videos_and_groups_in_one_split(tiny_ucf101, tmp_path):
    paths = published_archives.ucf101(tmp_path)
    _, splits = prepare("ucf101", paths, tmp_path, frames=3)

    groups = {
        split: {name.split("_")[2] for name in names_of(examples)}
        for split, examples in splits.items()
    }
    assert groups == {"train": {"g08"}, "validation": {"g25"}, "test": {"g01", "g07"}}
    assert len(splits["train"]) == 2 * 2 * 3
    assert splits["train"].class_names == ("HandstandPushups", "YoYo")
    assert "v_YoYo_g25_c02_f03.jpg" in names_of(splits["validation"])


def test_middle_frame_is_the_default():
    assert video.choose(9, 1) == [4]
    assert video.choose(9, 3) == [1, 4, 7]
    assert video.choose(2, 2) == [0, 1]


@pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="opencv-python-headless is missing"
)
def test_frames_of_a_real_video_are_the_middle_ones(tmp_path):
    import cv2
    import numpy as np

    path = str(tmp_path / "video.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 24))
    for index in range(9):
        writer.write(np.full((24, 32, 3), 25 * index, np.uint8))
    writer.release()
    frames = video.read_frames(pathlib.Path(path).read_bytes(), 3)
    means = [
        cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR).mean()
        for frame in frames
    ]
    assert means == pytest.approx([25, 100, 175], abs=3)
    with pytest.raises(errors.RunError, match="has 0 readable frames; 1 are needed"):
        video.read_frames(b"no video", 1)


@pytest.mark.skipif(
    importlib.util.find_spec("cv2") is not None, reason="opencv is installed"
)
def test_missing_opencv_says_how_to_install(tmp_path):
    paths = published_archives.ucf101(tmp_path)
    with pytest.raises(errors.RunError, match="pip install opencv-python-headless"):
        prepare("ucf101", paths, tmp_path)


def test_wrong_counts_are_an_error_with_both_numbers(tmp_path):
    paths = published_archives.aircraft(tmp_path)
    message = (
        "gave 2 classes instead of 100, 4 train images instead of 3334, "
        "2 validation images instead of 3333, 2 test images instead of 3333"
    )
    with pytest.raises(errors.RunError, match=message):
        prepare("fgvc_aircraft", paths, tmp_path)
    assert not (tmp_path / "data" / "fgvc_aircraft").exists()


def test_another_file_of_a_known_name_is_refused(tmp_path):
    paths = published_archives.omniglot(tmp_path)
    with pytest.raises(errors.RunError, match="the published file has ad41ab679c8b5d"):
        prepare("omniglot", paths, tmp_path)


def test_interrupted_conversion_goes_on(tiny_ucf101, monkeypatch, tmp_path):
    paths = published_archives.ucf101(tmp_path)
    decoded = []

    def stop_at_fifth(content, frames):
        decoded.append(content)
        if len(decoded) == 5:
            raise KeyboardInterrupt
        return fake_frames(content, frames)

    task = prepare_paper.TASKS["ucf101"]
    read = functools.partial(ucf101.read, decode=stop_at_fifth)
    stopping = dataclasses.replace(task, read=read)
    monkeypatch.setitem(prepare_paper.TASKS, "ucf101", stopping)
    with pytest.raises(KeyboardInterrupt):
        prepare("ucf101", paths, tmp_path)
    assert not (tmp_path / "data" / "ucf101").exists()

    _, splits = prepare("ucf101", paths, tmp_path)  # The sixth decoding goes well.
    assert len(decoded) == 5 + 12  # Only what was missing: 16 videos, 4 were written.
    assert {split: len(part) for split, part in splits.items()} == {
        "train": 4,
        "validation": 4,
        "test": 8,
    }


def test_partial_folder_of_other_options_is_not_mixed_in(tiny_ucf101, tmp_path):
    paths = published_archives.ucf101(tmp_path)
    stale = tmp_path / "data" / ".ucf101.partial" / "train" / "YoYo" / "old.jpg"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(published_archives.jpeg(0))
    (tmp_path / "data" / ".ucf101.partial" / "source.json").write_text('{"frames": 2}')

    _, splits = prepare("ucf101", paths, tmp_path)
    assert "old.jpg" not in names_of(splits["train"])


def test_prepared_twice_is_nothing_done(tiny, tmp_path):
    tiny("indoor67", 2, {"train": 3, "test": 2})
    folder, _ = prepare("indoor67", published_archives.indoor67(tmp_path), tmp_path)
    assert not prepare_paper.prepare("indoor67", [], folder)


def test_wrong_use_is_named(tmp_path):
    with pytest.raises(errors.UsageError, match="^Received --task=cars; allowed are"):
        prepare("cars", [], tmp_path)
    with pytest.raises(errors.UsageError, match="--frames=2, but omniglot has no vid"):
        prepare("omniglot", [], tmp_path, frames=2)
    with pytest.raises(errors.UsageError, match="--archive=.*does not exist"):
        prepare("fgvc_aircraft", [tmp_path / "nothing.tar"], tmp_path)


@pytest.mark.parametrize("name", prepare_paper.TASKS)
def test_missing_archive_says_what_to_download(name, tmp_path):
    with pytest.raises(errors.UsageError, match="--archive is missing. .*https://"):
        prepare(name, [], tmp_path)


@pytest.mark.slow
def test_command_ends_with_one_line_and_exit_code_2(tmp_path):
    command = [sys.executable, "-m", "tools.prepare_paper", "--task=indoor67"]
    result = subprocess.run(
        [*command, f"--output={tmp_path / 'x'}"], capture_output=True, text=True
    )
    assert result.returncode == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith("prepare_paper: --archive is missing. Download indoorCVPR")
