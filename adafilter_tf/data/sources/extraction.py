"""Image files written once from a data set that comes in another form.

Layout: `<data_dir>/adafilter_tf/<name>/<version>/<split>/<index>.<jpg|png>` and beside
the splits `manifest.json`, which names every file and its class. All is written into a
temporary folder, the manifest last, and then renamed. A folder whose manifest is
damaged, or which lacks an image, is extracted again.
"""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.decoding import image_format
from adafilter_tf.data.examples import Examples
from adafilter_tf.files import atomic

# The label by which data sets mark an image that has none.
UNLABELLED = -1
_MANIFEST = "manifest.json"
_UNKNOWN = ".unknown"
_LOG_EVERY = 1000  # images

# The (encoded image, label) pairs of a split, read only when they are needed.
LabelledImages = Iterable[tuple[bytes, int | str]]
# From all labels that occur, in order, to their classes' names.
NameClasses = Callable[[list], dict[int | str, str]]


def default_data_dir() -> str:
    """TFDS's default folder for data sets, found without importing TFDS (slow)."""
    default = os.path.join("~", "tensorflow_datasets")
    return os.path.expanduser(os.environ.get("TFDS_DATA_DIR", default))


def extract_once(
    name: str,
    *,
    data_dir: str | None,
    class_names: Iterable[str] | NameClasses,
    read_splits: Callable[[], Iterable[tuple[str, LabelledImages]]],
    keep_others: bool = False,
) -> dict[str, Examples]:
    """The data set `name` as image files, written now if they are not there yet.

    Args:
        name: Folder below `<data_dir>/adafilter_tf`: `<name>/<version>`.
        data_dir: Where data sets are kept; None is TFDS's default.
        class_names: Names of the classes, in the order of the labels; or, where only
            the images tell which classes there are, a function from their labels to
            names by label, whose order becomes that of the classes.
        read_splits: Gives (split name, pairs of encoded image and label); called only
            if the files have to be written.
        keep_others: Whether files that are not images are written too, so that what is
            done about unreadable images is done about them.

    Returns:
        Examples of each split, in the order of extraction.

    Raises:
        errors.RunError: A file is not an image and not kept, labels are of two kinds
            or missing, or the folder cannot be written.
    """
    root = pathlib.Path(data_dir or default_data_dir()).expanduser().absolute()
    folder = root / "adafilter_tf" / name
    if folder.exists():
        try:
            return _read_manifest(folder)
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            logging.warning(
                "The images in %s are damaged (%s): extracting them again.",
                folder,
                errors.explain(error),
            )
            atomic.remove(folder)
    if not (folder / _MANIFEST).exists():
        try:
            _extract(folder, class_names, read_splits, keep_others)
        except OSError as error:
            raise errors.RunError(
                f"The images of {name} cannot be written below {folder.parent} "
                f"({error.strerror or error}): free space there or choose another "
                "folder with --data_dir."
            ) from error
    return _read_manifest(folder)


def _extract(folder: pathlib.Path, class_names, read_splits, keep_others) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    logging.info("Extracting images into %s.", folder)
    unfinished = pathlib.Path(
        tempfile.mkdtemp(prefix=f"{folder.name}.unfinished-", dir=folder.parent)
    )
    try:
        splits = {
            split: _write_images(unfinished / split, images, keep_others)
            for split, images in read_splits()
        }
        _leave_out_unlabelled(splits, unfinished, folder)
        if callable(class_names):
            class_names = _number_classes(splits, class_names, folder)
        else:
            class_names = list(class_names)
            _check_labels(splits, len(class_names), folder)
        manifest = {"class_names": class_names, "splits": splits}
        manifest["sha256"] = _digest(manifest)
        (unfinished / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        unfinished.chmod(0o755)  # mkdtemp's folders are private
        _rename(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _leave_out_unlabelled(
    splits: dict, unfinished: pathlib.Path, folder: pathlib.Path
) -> None:
    """Drops splits in which no image has a label; refuses those in which some lack it.

    Labels -1 and 1, as the two classes of a binary task have them, are labels.
    """
    labels = {label for content in splits.values() for label in content["labels"]}
    if UNLABELLED not in labels or labels == {UNLABELLED, 1}:
        return
    for split, content in list(splits.items()):
        missing = content["labels"].count(UNLABELLED)
        if missing and missing == len(content["labels"]):
            logging.warning(
                "Not used of %s: split %s, whose %d images have no label (-1).",
                folder.name,
                split,
                missing,
            )
            shutil.rmtree(unfinished / split)
            del splits[split]
        elif missing:
            raise errors.UsageError(
                f"{missing} of {len(content['labels'])} images of split {split!r} of "
                f"{folder.name} have the label -1, which marks images without a "
                "class: remove them, or name another column by --label_key."
            )
    if not splits:
        raise errors.UsageError(
            f"No image of {folder.name} has a label (all are -1): name another column "
            "by --label_key."
        )


def _check_labels(splits: dict, num_classes: int, folder: pathlib.Path) -> None:
    for split, content in splits.items():
        for index, label in enumerate(content["labels"]):
            if not 0 <= label < num_classes:
                raise errors.UsageError(
                    f"Image {index} of split {split!r} of {folder.name} has the label "
                    f"{label}; allowed are 0 to {num_classes - 1}."
                )


def _number_classes(splits: dict, name: NameClasses, folder: pathlib.Path) -> list[str]:
    """Replaces the labels of all splits by indices; returns the classes' names."""
    labels = {label for content in splits.values() for label in content["labels"]}
    if len({type(label) for label in labels}) > 1:
        raise errors.UsageError(
            f"The classes of {folder.name} are numbers in some images and texts in "
            "others; write them all as one of the two."
        )
    names = name(sorted(labels))
    indices = {label: index for index, label in enumerate(names)}
    for content in splits.values():
        content["labels"] = [indices[label] for label in content["labels"]]
    return list(names.values())


def _write_images(
    folder: pathlib.Path, images: LabelledImages, keep_others: bool
) -> dict[str, list]:
    folder.mkdir()
    files, labels = [], []
    for index, (encoded, label) in enumerate(images):
        suffix = image_format.suffix_of(encoded)
        if suffix is None and (keep_others or image_format.is_image(encoded)):
            suffix = _UNKNOWN
        elif suffix is None:
            raise errors.RunError(
                f"Image {index} of split {folder.name!r} is "
                f"{image_format.describe(encoded)}, not an image: convert the data set "
                "into an image folder and use folder:PATH."
            )
        files.append(f"{index:06d}{suffix}")
        labels.append(label if isinstance(label, str) else int(label))
        (folder / files[-1]).write_bytes(encoded)
        if len(files) % _LOG_EVERY == 0:
            logging.info("Split %s: %d images written.", folder.name, len(files))
    return {"files": files, "labels": labels}


def _rename(unfinished: pathlib.Path, folder: pathlib.Path) -> None:
    try:
        atomic.publish(unfinished, folder)
    except OSError:
        # Another process may have finished the same extraction in the meantime.
        if not (folder / _MANIFEST).exists():
            raise


def _digest(manifest: dict) -> str:
    text = json.dumps(manifest, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read_manifest(folder: pathlib.Path) -> dict[str, Examples]:
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    # Absent in what earlier versions extracted.
    if manifest.pop("sha256", None) not in (None, _digest(manifest)):
        raise ValueError(f"{_MANIFEST} differs from its SHA-256")
    for split, content in manifest["splits"].items():
        found = {
            entry.name
            for entry in os.scandir(folder / split)
            if entry.stat().st_size or entry.name.endswith(_UNKNOWN)
        }
        if missing := set(content["files"]) - found:
            raise ValueError(f"{split}/{min(missing)} is missing or empty")
    return {
        split: Examples(
            paths=tuple(str(folder / split / file) for file in content["files"]),
            labels=tuple(content["labels"]),
            class_names=tuple(manifest["class_names"]),
        )
        for split, content in manifest["splits"].items()
    }
