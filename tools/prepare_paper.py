"""Prepares a published data set that TFDS lacks as a folder of images.

    python -m tools.prepare_paper --task=fgvc_aircraft
    python -m tools.prepare_paper --task=fgvc_aircraft \
        --archive=fgvc-aircraft-2013b.tar.gz

The first command says what to download and where; the second writes
`data/fgvc_aircraft/{train,validation,test}/<class>/<name>.jpg` for
`--dataset=folder:data/fgvc_aircraft` and compares the numbers of images with the
published ones. Interrupted, the same command resumes. All tasks: docs/paper_tasks.md.
"""

import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable

from absl import app, flags, logging

from adafilter_tf import errors
from tools.paper import (
    aircraft,
    archives,
    caltech256,
    conversion,
    indoor67,
    omniglot,
    ucf101,
    video,
)


@dataclasses.dataclass(frozen=True)
class Task:
    """A data set in the form in which it is published.

    Attributes:
        read: Paths of the archives -> images; for videos with `frames` too.
        download: What to download and where, for people.
        num_classes: As published.
        counts: Images, or videos, a split; "train+validation" counts two together.
        has_videos: Whether `--frames` applies.
    """

    read: Callable
    download: str
    num_classes: int
    counts: dict[str, int]
    has_videos: bool = False


_CALTECH256 = "256_ObjectCategories.tar (1.2 GB) from https://data.caltech.edu/records/nyy15-4j048"
TASKS = {
    "fgvc_aircraft": Task(
        aircraft.read,
        "fgvc-aircraft-2013b.tar.gz (2.75 GB) from "
        "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
        num_classes=100,
        counts={"train": 3334, "validation": 3333, "test": 3333},
    ),
    **{
        f"caltech256_{per_class}": Task(
            functools.partial(caltech256.read, per_class=per_class, num_images=30607),
            _CALTECH256,
            num_classes=257,
            counts={
                "train": 257 * per_class,
                "test": 257 * caltech256.TEST_PER_CLASS,
            },
        )
        for per_class in (30, 60)
    },
    "indoor67": Task(
        indoor67.read,
        "indoorCVPR_09.tar (2.4 GB), TrainImages.txt and TestImages.txt from "
        "https://web.mit.edu/torralba/www/indoor.html",
        num_classes=67,
        counts={"train": 5360, "test": 1340},
    ),
    "omniglot": Task(
        omniglot.read,
        "images_background.zip and images_evaluation.zip from "
        "https://github.com/brendenlake/omniglot/tree/master/python",
        num_classes=1623,
        counts={"train": 1623 * 11, "validation": 1623 * 4, "test": 1623 * 5},
    ),
    "ucf101": Task(
        functools.partial(ucf101.read, decode=video.read_frames),
        "https://storage.googleapis.com/thumos14_files/UCF101_videos.zip (7 GB) and "
        "https://www.crcv.ucf.edu/data/UCF101/"
        "UCF101TrainTestSplits-RecognitionTask.zip; instead of the first, UCF101.rar "
        "from https://www.crcv.ucf.edu/data/UCF101.php, unpacked and packed again as "
        "a zip or tar file",
        num_classes=101,
        counts={"train+validation": 9537, "test": 3783},
        has_videos=True,
    ),
}
# Of files with these names; Caltech-256's publisher gives an MD5. Others are printed.
CHECKSUMS = {
    "256_ObjectCategories.tar": ("md5", "67b4f42ca05d46448c6bb8ecd2220f6d"),
    "UCF101_videos.zip": (
        "sha256",
        "dabf56f573cd19c79e096563529fec8126a2a34e18e10c72eb621dd687532b0d",
    ),
    "UCF101TrainTestSplits-RecognitionTask.zip": (
        "sha256",
        "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
    ),
    "images_background.zip": (
        "sha256",
        "ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
    ),
    "images_evaluation.zip": (
        "sha256",
        "1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
    ),
}


def prepare(
    name: str, paths: list[pathlib.Path], folder: pathlib.Path, *, frames: int = 1
) -> bool:
    """Writes the folder of a task unless it exists.

    Args:
        name: A key of `TASKS`.
        paths: Of the downloaded files.
        folder: That appears at the end.
        frames: A video.

    Returns:
        Whether anything was done.

    Raises:
        errors.UsageError: The task is unknown, or a file or option is wrong.
        errors.RunError: An archive is not the published one.
    """
    task = _get_task(name)
    if frames != 1 and not task.has_videos:
        raise errors.UsageError(
            f"Received --frames={frames}, but {name} has no videos. Leave it out."
        )
    if folder.is_dir():
        return False
    if not paths:
        raise errors.UsageError(
            f"--archive is missing. Download {task.download}; then give the downloaded "
            "files as --archive=FILE,FILE."
        )
    if task.has_videos:
        video.check_installed()
    sums = {path.name: _check_sum(path) for path in paths}
    options = {"frames": frames} if task.has_videos else {}
    conversion.convert(
        task.read(paths, **options),
        folder,
        source={"task": name, **options, "sha256": sums},
        num_classes=task.num_classes,
        counts={split: number * frames for split, number in task.counts.items()},
    )
    return True


def summarize(folder: pathlib.Path) -> str:
    """`train 3334, validation 3333, test 3333 images`, counted in a folder."""
    found = conversion.count(folder)
    splits = [split for split in ("train", "validation", "test") if found[split]]
    return ", ".join(f"{split} {found[split]}" for split in splits) + " images"


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    logging.set_verbosity(logging.INFO)
    values = flags.FLAGS
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        folder = pathlib.Path(values.output or f"data/{values.task}")
        paths = [pathlib.Path(path) for path in values.archive]
        is_new = prepare(values.task, paths, folder, frames=values.frames)
        note = "" if is_new else " (already there)"
        print(f"{folder}: {summarize(folder)}{note}")
    except errors.RunError as error:
        print(f"prepare_paper: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def define_flags() -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    flags.DEFINE_string("task", None, f"One of {', '.join(TASKS)}.", required=True)
    flags.DEFINE_list(
        "archive", [], "Downloaded files. Not given: says which they are."
    )
    flags.DEFINE_string("output", None, "Folder to write. Not given: data/<task>.")
    flags.DEFINE_integer("frames", 1, "Frames a video, for ucf101.", lower_bound=1)


def _get_task(name):
    if name not in TASKS:
        raise errors.UsageError(
            f"Received --task={name}; allowed are {', '.join(TASKS)}."
        )
    return TASKS[name]


def _check_sum(path):
    """Returns the SHA-256; compares what is known of a file of this name."""
    found = archives.digests(path)
    algorithm, known = CHECKSUMS.get(path.name, ("sha256", None))
    if known and found[algorithm] != known:
        raise errors.RunError(
            f"{path} has the {algorithm} {found[algorithm]}; the published file has "
            f"{known}. Download it again."
        )
    state = "as published" if known else "the published one is not known"
    logging.info("%s: sha256 %s (%s).", path.name, found["sha256"], state)
    return found["sha256"]


if __name__ == "__main__":
    define_flags()
    app.run(main)
