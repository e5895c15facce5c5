"""Image files written once from a data set that comes in another form.

Layout: `<data_dir>/adafilter_tf/<name>/<version>/<split>/<index>.<jpg|png>` and beside
the splits `manifest.json`, which names every file and its class. All is written into a
temporary folder, the manifest last, and then renamed: a folder of the final name is
whole.
"""

import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable

from absl import logging

from adafilter_tf import errors
from adafilter_tf.data import image_format
from adafilter_tf.data.examples import Examples

_MANIFEST = "manifest.json"
_LOG_EVERY = 1000  # images

# The name of a split and its (encoded image, label) pairs, read only when it is needed.
LabelledImages = Iterable[tuple[bytes, int]]


def default_data_dir() -> str:
    """TFDS's default folder for data sets, found without importing TFDS (slow)."""
    default = os.path.join("~", "tensorflow_datasets")
    return os.path.expanduser(os.environ.get("TFDS_DATA_DIR", default))


def extract_once(
    name: str,
    *,
    data_dir: str | None,
    class_names: Iterable[str],
    read_splits: Callable[[], Iterable[tuple[str, LabelledImages]]],
) -> dict[str, Examples]:
    """The data set `name` as image files, written now if they are not there yet.

    Args:
        name: Folder below `<data_dir>/adafilter_tf`: `<name>/<version>`.
        data_dir: Where data sets are kept; None is TFDS's default.
        class_names: Names of the classes, in the order of the labels.
        read_splits: Gives (split name, pairs of encoded image and label); called only
            if the files have to be written.

    Returns:
        Examples of each split, in the order of extraction.

    Raises:
        errors.RunError: An image is neither JPEG nor PNG, or the folder cannot be
            written.
    """
    root = pathlib.Path(data_dir or default_data_dir()).expanduser().absolute()
    folder = root / "adafilter_tf" / name
    if not (folder / _MANIFEST).exists():
        try:
            _extract(folder, list(class_names), read_splits)
        except OSError as error:
            raise errors.RunError(
                f"The images of {name} cannot be written below {folder.parent} "
                f"({error.strerror or error}): free space there or choose another "
                "folder with --data_dir."
            ) from error
    return _read_manifest(folder)


def _extract(folder: pathlib.Path, class_names: list[str], read_splits) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    logging.info("Extracting images into %s.", folder)
    unfinished = pathlib.Path(
        tempfile.mkdtemp(prefix=f"{folder.name}.unfinished-", dir=folder.parent)
    )
    try:
        splits = {
            split: _write_images(unfinished / split, images)
            for split, images in read_splits()
        }
        manifest = {"class_names": class_names, "splits": splits}
        (unfinished / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        unfinished.chmod(0o755)  # mkdtemp's folders are private
        _rename(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_images(folder: pathlib.Path, images: LabelledImages) -> dict[str, list]:
    folder.mkdir()
    files, labels = [], []
    for index, (encoded, label) in enumerate(images):
        suffix = image_format.suffix_of(encoded)
        if suffix is None:
            raise errors.RunError(
                f"Image {index} of split {folder.name!r} is "
                f"{image_format.describe(encoded)}; only JPEG and PNG are supported: "
                "convert the data set into an image folder and use folder:PATH."
            )
        files.append(f"{index:06d}{suffix}")
        labels.append(int(label))
        (folder / files[-1]).write_bytes(encoded)
        if len(files) % _LOG_EVERY == 0:
            logging.info("Split %s: %d images written.", folder.name, len(files))
    return {"files": files, "labels": labels}


def _rename(unfinished: pathlib.Path, folder: pathlib.Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        # Another process may have finished the same extraction in the meantime.
        if not (folder / _MANIFEST).exists():
            raise


def _read_manifest(folder: pathlib.Path) -> dict[str, Examples]:
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    return {
        split: Examples(
            paths=tuple(str(folder / split / file) for file in content["files"]),
            labels=tuple(content["labels"]),
            class_names=tuple(manifest["class_names"]),
        )
        for split, content in manifest["splits"].items()
    }
