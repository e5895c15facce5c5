"""A folder of images: `class/image.jpg`, or `train|validation|test/class/image.jpg`."""

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.decoding import image_format
from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.data.sources.split_names import SPLIT_NAMES, is_unclear

# Files with these names are taken for images unseen; all others if their content is.
IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".avif", ".avifs", ".heic", ".heif", ".jp2", ".ppm", ".pgm",
    ".pbm", ".pnm", ".tga", ".ico", ".pcx", ".psd",
)  # fmt: skip
# Archives made on a Mac hold a shadow of every file there.
_SHADOW_FOLDERS = ("__MACOSX",)
_MAX_SHOWN = 5


def load_folder(path: str) -> dict[str, Examples]:
    """The images below a folder; names of folders are names of classes.

    Links to folders are followed. Hidden files, files that are not images, images
    outside a class folder and folders inside one are left out, with a summary in the
    log and the list in `Examples.left_out`. Classes are ordered by name.

    Args:
        path: Folder of class folders, or of split folders that hold class folders.

    Returns:
        Examples under "all", or under the names of the ready-made splits.

    Raises:
        errors.UsageError: The folder does not exist or cannot be read, no class folder
            has an image, split folders are mixed with others or have an unclear name,
            or two folders stand for one split.
    """
    root = pathlib.Path(path).expanduser().absolute()
    if not os.path.isdir(root):
        raise errors.UsageError(
            f"dataset=folder:{path}: there is no such folder; give the folder that "
            "holds one subfolder of images per class."
        )
    left_out: list[tuple[str, str]] = []
    split_folders = _split_folders(root)
    contents = {
        split: _read_classes(folder, left_out)
        for split, folder in (split_folders or {"all": root}).items()
    }
    if split_folders:
        _note_entries(root, split_folders.values(), left_out)
    _tell_left_out(root, left_out)
    class_names = sorted({name for of_split in contents.values() for name in of_split})
    _check_found(root, class_names, left_out)
    indices = {name: index for index, name in enumerate(class_names)}
    return {
        split: Examples(
            tuple(image for images in of_split.values() for image in images),
            tuple(indices[name] for name, images in of_split.items() for _ in images),
            tuple(class_names),
            left_out=tuple(left_out) if number == 0 else (),
        )
        for number, (split, of_split) in enumerate(contents.items())
    }


def _split_folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Folders of ready-made splits; empty if the subfolders are classes."""
    folders = [folder for folder in _visible(root, is_folder) if _counts(folder.name)]
    named = [
        folder
        for folder in folders
        # A class may be called "train": then it holds images.
        if (folder.name.lower() in SPLIT_NAMES or is_unclear(folder.name))
        and any(_counts(inner.name) for inner in _visible(folder, is_folder))
    ]
    splits: dict[str, pathlib.Path] = {}
    for folder in folders if named else []:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split is None:
            raise errors.UsageError(
                f"{root} holds split folders ({named[0].name}) beside "
                f"{folder.name!r}; allowed are train, validation and test (or "
                "training, val, valid, dev, testing): rename it or move it away."
            )
        if split in splits:
            raise errors.UsageError(
                f"{root} holds {splits[split].name!r} and {folder.name!r}, which are "
                f"both the {split} split: keep one of them."
            )
        splits[split] = folder
    return splits


def _read_classes(
    folder: pathlib.Path, left_out: list[tuple[str, str]]
) -> dict[str, list[str]]:
    """The images of each class folder that has some, in order of name."""
    class_folders = [
        entry for entry in _visible(folder, is_folder) if _counts(entry.name)
    ]
    _note_entries(folder, class_folders, left_out)
    classes = {}
    for class_folder in class_folders:
        images = []
        for entry in sorted(_list_entries(class_folder), key=_name):
            file = str(class_folder / entry.name)
            reason = _reason_against(entry)
            if reason is None:
                images.append(file)
            else:
                left_out.append((file, reason))
        if images:
            classes[class_folder.name] = images
        else:
            left_out.append((str(class_folder), "a class folder without an image"))
    return classes


def _note_entries(
    folder: pathlib.Path,
    used: Iterable[pathlib.Path],
    left_out: list[tuple[str, str]],
) -> None:
    """Lists what lies beside the folders that are used."""
    names = {of.name for of in used}
    for entry in sorted(_list_entries(folder), key=_name):
        if entry.name not in names:
            reason = "in no class folder"
            if entry.name.startswith("."):
                reason = "hidden"
            elif entry.name in _SHADOW_FOLDERS:
                reason = "a Mac archive's folder of shadows"
            left_out.append((str(folder / entry.name), reason))


def _reason_against(entry: os.DirEntry) -> str | None:
    """Why an entry of a class folder is not used; None if it is."""
    if entry.name.startswith("."):
        return "hidden"
    if is_folder(entry):
        return "a folder inside a class folder; make it a class or move its images up"
    return reason_against(entry.path)


def reason_against(path: str) -> str | None:
    """Why a file is not an image by its name and first bytes; None if it is one."""
    if path.lower().endswith(IMAGE_SUFFIXES):
        return None  # what is wrong with it is found when it is decoded
    head, reason = image_format.read_head(path)
    if head is None:
        return reason
    if image_format.is_image(head):
        return None
    return image_format.describe(head)


def _tell_left_out(root: pathlib.Path, left_out: list[tuple[str, str]]) -> None:
    told = [pair for pair in left_out if pair[1] != "hidden"]
    if not told:
        return
    logging.warning(
        "%d files and folders below %s are not used (and %d hidden ones).",
        len(told),
        root,
        len(left_out) - len(told),
    )
    for path, reason in told[:_MAX_SHOWN]:
        logging.warning("Not used: %s: %s.", show_path(path), reason)
    if len(told) > _MAX_SHOWN:
        logging.warning("And %d more.", len(told) - _MAX_SHOWN)


def _check_found(
    root: pathlib.Path, class_names: list[str], left_out: list[tuple[str, str]]
) -> None:
    if class_names or not left_out:
        return
    path, reason = left_out[0]
    raise errors.UsageError(
        f"No class folder in {root} has an image ({len(left_out)} other entries, first "
        f"{show_path(path)}: {reason}); put the images of each class directly into a "
        "folder of its own."
    )


def list_visible(folder: str | os.PathLike[str]) -> list[os.DirEntry]:
    """The entries of a folder that are not hidden, in no order.

    Raises:
        errors.UsageError: It cannot be read.
    """
    return [entry for entry in _list_entries(folder) if not entry.name.startswith(".")]


def _list_entries(folder: str | os.PathLike[str]) -> list[os.DirEntry]:
    try:
        with os.scandir(os.fspath(folder)) as entries:
            return list(entries)
    except OSError as error:
        raise errors.UsageError(
            f"The folder {folder} cannot be read ({error.strerror}): give yourself the "
            "right to read it, or move it away."
        ) from error


def _visible(
    folder: pathlib.Path, accept: Callable[[os.DirEntry], bool]
) -> Iterator[pathlib.Path]:
    """Entries that are not hidden and pass `accept`, ordered by name."""
    entries = sorted(list_visible(folder), key=_name)
    return (folder / entry.name for entry in entries if accept(entry))


def _counts(name: str) -> bool:
    return name not in _SHADOW_FOLDERS


def _name(entry: os.DirEntry) -> str:
    return entry.name


def is_folder(entry: os.DirEntry) -> bool:
    """Whether it is a folder or a link to one; a link in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
