"""Data sets of TensorFlow Datasets (TFDS), as image files."""

import difflib
import os
import re
from collections.abc import Callable, Iterator

import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import extraction
from adafilter_tf.data.sources.split_names import SPLIT_NAMES

# name, name/config, either with :version.
_NAME = re.compile(r"[a-z]\w*(/[\w.+-]+)?(:\d+\.\d+\.\d+)?")
_SPLITS = ("train", "validation", "test")
_PIXELS = ("uint8", "uint16")  # what the files of TFDS hold as they are


def load_tfds(
    name: str,
    data_dir: str | None,
    *,
    image_key: str | None = None,
    label_key: str | None = None,
    folder: str = "",
    choose: Callable[[dict[str, int]], dict[str, str]] | None = None,
) -> dict[str, Examples]:
    """The ready-made splits of a TFDS data set, downloaded and extracted if needed.

    The images are the original encoded bytes, never decoded and encoded again.

    Args:
        name: Name of the data set in TFDS: `name[/config][:version]`.
        data_dir: Where data sets are kept; None is TFDS's default.
        image_key: Feature of the images; None for the one of TFDS's supervised keys.
        label_key: Feature of the classes; None likewise.
        folder: Of the extracted files, for splits that `choose` makes.
        choose: From the number of examples by split of TFDS to what TFDS is asked for
            by our splits; None takes the splits as they are.

    Returns:
        Examples under "train", "validation" and "test", as far as TFDS has them.

    Raises:
        errors.UsageError: There is no such data set, it is not one of labelled images,
            or it has no split "train".
        errors.RunError: The data cannot be downloaded, prepared or written.
    """
    data_dir = data_dir or extraction.default_data_dir()
    builder = _builder(name, data_dir)
    given = "".join(f".{key}" for key in (image_key, label_key) if key)
    image_key, label_key = _image_and_label(name, builder.info, image_key, label_key)
    return extraction.extract_once(
        os.path.join(folder, builder.info.full_name + given),
        data_dir=data_dir,
        class_names=builder.info.features[label_key].names,
        read_splits=lambda: _prepared_splits(
            name, builder, image_key, label_key, choose
        ),
    )


def _builder(name: str, data_dir: str):
    # Slow to import, and only this source needs it.
    import tensorflow_datasets as tfds

    if not _NAME.fullmatch(name):
        raise _unknown(name, tfds.list_builders())
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise _unknown(name, tfds.list_builders()) from error
    except (ValueError, AssertionError) as error:
        reason = _first_line(error)
        raise errors.UsageError(
            f"dataset=tfds:{name} has an unknown configuration or version: {reason}"
        ) from error
    except ImportError as error:
        raise _missing_module(name, error) from error


def _image_and_label(
    name: str, info, image_key: str | None, label_key: str | None
) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    # DTD, for one, has both features and does not say that they are a pair.
    keys = info.supervised_keys or ("image", "label")
    keys = (image_key or keys[0], label_key or keys[-1])
    image, label = (
        info.features[key] if key in info.features else None for key in keys
    )
    if not isinstance(image, tfds.features.Image) or not isinstance(
        label, tfds.features.ClassLabel
    ):
        raise errors.UsageError(
            f"dataset=tfds:{name} is not a data set of images with one class label "
            f"each (its supervised keys: {info.supervised_keys}; its features: "
            f"{', '.join(info.features)}); choose one that is, name two of its "
            "features by --image_key and --label_key, or bring image files with "
            "folder:PATH."
        )
    pixels = np.dtype(image.np_dtype).name
    if pixels not in _PIXELS:
        raise errors.UsageError(
            f"dataset=tfds:{name}: the pixels of {keys[0]!r} are {pixels}; allowed are "
            f"{' and '.join(_PIXELS)}, since files of others hold no picture: choose "
            "another data set, or bring image files with folder:PATH."
        )
    return keys


def _prepared_splits(name: str, builder, image_key: str, label_key: str, choose):
    _download_and_prepare(name, builder)
    if choose is not None:
        sizes = {k: info.num_examples for k, info in builder.info.splits.items()}
        return [
            (split, _encoded_images(builder, asked, image_key, label_key))
            for split, asked in choose(sizes).items()
        ]
    found = list(builder.info.splits)
    if "train" not in found:
        raise errors.UsageError(
            f"dataset=tfds:{name} has no split 'train', only {', '.join(found)}; "
            "choose another data set, or bring image files with folder:PATH."
        )
    asked = {split: split for split in _SPLITS if split in found}
    for split in found:
        asked.setdefault(SPLIT_NAMES.get(split.lower(), split), split)
    others = sorted(set(found) - {asked.get(split) for split in _SPLITS})
    if others:
        logging.info("Not used of tfds:%s: splits %s.", name, ", ".join(others))
    return [
        (split, _encoded_images(builder, asked[split], image_key, label_key))
        for split in _SPLITS
        if split in asked
    ]


def _download_and_prepare(name: str, builder) -> None:
    logging.info(
        "Preparing tfds:%s in %s (without network TFDS gives up after some minutes).",
        name,
        builder.data_dir,
    )
    try:
        builder.download_and_prepare()
    except ImportError as error:
        raise _missing_module(name, error) from error
    except Exception as error:  # several hundred builders: it can be anything
        data_dir = builder.data_dir
        raise errors.RunError(
            f"The data of tfds:{name} are missing and could not be downloaded "
            f"({type(error).__name__}: {_first_line(error)}): run "
            f"tfds.builder({name!r}).download_and_prepare() on a machine with network "
            f"and copy its folder to {data_dir}, or put the source files where TFDS "
            "looks for manual downloads (downloads/manual in the data folder); "
            "configs/digits.cfg works without network."
        ) from error


def _encoded_images(
    builder, split: str, image_key: str, label_key: str
) -> Iterator[tuple[bytes, int]]:
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(
        split=split, decoders={image_key: tfds.decode.SkipDecoding()}
    )
    for example in tfds.as_numpy(dataset):
        yield example[image_key], int(example[label_key])


def _unknown(name: str, known: list[str]) -> errors.UsageError:
    close = difflib.get_close_matches(name, ["digits", "emoji", *known], n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return errors.UsageError(
        f"dataset={name} is unknown; allowed are digits, emoji, folder:PATH, "
        "csv:FILE, tfrecord:FILES, parquet:FILES and the image data sets of TFDS as "
        f"tfds:NAME[/CONFIG][:VERSION].{hint}"
    )


def _missing_module(name: str, error: ImportError) -> errors.RunError:
    return errors.RunError(
        f"tfds:{name} needs a Python module that is not installed "
        f"({_first_line(error)}): install it with pip and run again; "
        "configs/digits.cfg works without it."
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no further message"])[0]
