"""A folder of images: `class/image.jpg`, or `train|validation|test/class/image.jpg`."""

import os
import pathlib

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
# Names of split folders (and of splits in a CSV file), in lower case.
SPLIT_NAMES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def load_folder(path: str) -> dict[str, Examples]:
    """The images below a folder; names of folders are names of classes.

    Hidden files and folders are ignored, links to folders are followed, files that are
    not .jpg, .jpeg or .png (in either case) are counted in the log. Classes are ordered
    by name.

    Args:
        path: Folder of class folders, or of split folders that hold class folders.

    Returns:
        Examples under "all", or under the names of the ready-made splits.

    Raises:
        errors.UsageError: There is no such folder or it cannot be read, a class folder
            has no image, split folders are mixed with others, or two folders stand for
            one split.
    """
    root = pathlib.Path(path).expanduser().absolute()
    if not os.path.isdir(root):
        raise errors.UsageError(
            f"dataset=folder:{path}: there is no such folder; give the folder that "
            "holds one subfolder of images per class."
        )
    split_folders = _split_folders(root)
    if not split_folders:
        return {"all": _read_classes(root, _class_names([root]))}
    class_names = _class_names(split_folders.values())
    return {
        split: _read_classes(folder, class_names)
        for split, folder in split_folders.items()
    }


def _split_folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Folders of ready-made splits; empty if the subfolders are classes."""
    folders = _visible(root, _is_folder)
    train = [folder for folder in folders if folder.name.lower() == "train"]
    # A class may be called "train": then it holds images.
    if not train or not _visible(train[0], _is_folder):
        return {}
    splits = {}
    for folder in folders:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None:
            raise errors.UsageError(
                f"{root} holds split folders (train) beside {folder.name!r}; allowed "
                "are train, val or validation, and test: move the other folder away."
            )
        if split in splits:
            raise errors.UsageError(
                f"{root} holds {splits[split].name!r} and {folder.name!r}, which are "
                f"both the {split} split: keep one of them."
            )
        splits[split] = folder
    return splits


def _class_names(folders) -> tuple[str, ...]:
    names = {entry.name for folder in folders for entry in _visible(folder, _is_folder)}
    return tuple(sorted(names))


def _read_classes(folder: pathlib.Path, class_names: tuple[str, ...]) -> Examples:
    paths, labels, num_others = [], [], 0
    for label, class_name in enumerate(class_names):
        class_folder = folder / class_name
        if not class_folder.is_dir():
            continue  # this split lacks the class: the caller judges
        files = _visible(class_folder, lambda entry: True)
        images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
        if not images:
            raise errors.UsageError(
                f"Class folder {class_folder} has no image ({len(files)} other "
                f"entries); put {', '.join(IMAGE_SUFFIXES)} files into it or remove it."
            )
        num_others += len(files) - len(images)
        paths += [str(image) for image in images]
        labels += [label] * len(images)
    if num_others:
        logging.warning(
            "%d files and folders below %s are not used: only %s files are images.",
            num_others,
            folder,
            ", ".join(IMAGE_SUFFIXES),
        )
    return Examples(tuple(paths), tuple(labels), class_names)


def list_visible(folder: str | os.PathLike) -> list[os.DirEntry]:
    """The entries of a folder that are not hidden, in no order.

    Raises:
        errors.UsageError: When it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise errors.UsageError(
            f"The folder {folder} cannot be read ({error.strerror}): give yourself the "
            "right to read it, or move it away."
        ) from error


def _visible(folder: pathlib.Path, accept) -> list[pathlib.Path]:
    """Entries that are not hidden and pass `accept`, ordered by name."""
    entries = sorted(list_visible(folder), key=_name)
    return [folder / entry.name for entry in entries if accept(entry)]


def _name(entry: os.DirEntry) -> str:
    return entry.name


def _is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
