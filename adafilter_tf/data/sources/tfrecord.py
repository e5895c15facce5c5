"""TFRecord files of tf.train.Example, as image files."""

from collections.abc import Iterator

import tensorflow as tf
from absl import logging
from google.protobuf import message

from adafilter_tf import errors
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import extraction, record_files

# The first ones are those of TensorFlow's own converters (ImageNet, Flowers).
IMAGE_KEYS = ("image/encoded", "image", "image_raw", "image/image_raw", "encoded")
LABEL_KEYS = (
    "image/class/label",
    "label",
    "class",
    "image/label",
    "image/class/text",
    "target",
)
TEXT_KEY = "image/class/text"

_GZIP = b"\x1f\x8b"


def load_tfrecord(
    pattern: str,
    data_dir: str | None,
    *,
    image_key: str | None = None,
    label_key: str | None = None,
) -> dict[str, Examples]:
    """The images of TFRecord files, written as image files if they are not there yet.

    A class is a number or a text. Numbers get the texts of "image/class/text" as names,
    if each has one text of its own; otherwise they are their own names.

    Args:
        pattern: A file, a folder or a glob pattern, see `record_files.find_files`;
            compressed by gzip or not.
        data_dir: Where extracted images are kept; None is TFDS's default.
        image_key: Feature with a JPEG or PNG file; None for the first of IMAGE_KEYS.
        label_key: Feature with the class; None for the first of LABEL_KEYS.

    Returns:
        Examples under "all", or under the splits that the files name.

    Raises:
        errors.UsageError: There is no such file, or a feature is missing or of the
            wrong kind.
        errors.RunError: A file is damaged, or the images cannot be written.
    """
    splits = record_files.find_files("tfrecord", pattern, ".tfrecord")
    reader = _Reader(image_key, label_key)
    return extraction.extract_once(
        record_files.name_extraction("tfrecord", splits, image_key, label_key),
        data_dir=data_dir,
        class_names=reader.name_classes,
        read_splits=lambda: [
            (split, reader.read(files)) for split, files in splits.items()
        ],
        keep_others=True,
    )


class _Reader:
    """Reads examples and remembers the texts that their numbers have."""

    def __init__(self, image_key: str | None, label_key: str | None):
        self._given = image_key, label_key
        self._keys: tuple[str, str] | None = None
        self._texts: dict[int, set[str]] = {}

    def name_classes(self, labels: list) -> dict:
        """Returns names by label; labels are numbers or texts."""
        texts = [self._texts.get(label, set()) for label in labels]
        named = all(len(of_label) == 1 for of_label in texts)
        if named and len(set.union(*texts)) == len(labels):
            return {label: text for label, (text,) in zip(labels, texts, strict=True)}
        return {label: str(label) for label in labels}

    def read(self, files: list[str]) -> Iterator[tuple[bytes, int | str]]:
        """Yields (encoded image, class) of each example."""
        for file in files:
            for number, features in _read_examples(file):
                where = f"Example {number} of {file}"
                if self._keys is None:
                    self._keys = self._choose_keys(features, where)
                image_key, label_key = self._keys
                encoded = _value(features, image_key, where, "image_key")
                found = _value(features, label_key, where, "label_key")
                label = found if isinstance(found, int) else _decode_text(found, where)
                if not isinstance(encoded, bytes):
                    raise errors.UsageError(
                        f"{where}: {image_key!r} holds numbers; it has to be the bytes "
                        "of a JPEG or PNG file: name another feature by --image_key."
                    )
                if (
                    isinstance(label, int)
                    and TEXT_KEY in features
                    and label_key == LABEL_KEYS[0]
                ):
                    text = _value(features, TEXT_KEY, where, "label_key")
                    if isinstance(text, bytes):
                        texts = self._texts.setdefault(label, set())
                        texts.add(_decode_text(text, where))
                yield encoded, label

    def _choose_keys(self, features, where: str) -> tuple[str, str]:
        image, label = self._given
        choose = record_files.choose_key
        keys = (
            choose(image, features, IMAGE_KEYS, flag="image_key", where=where),
            choose(label, features, LABEL_KEYS, flag="label_key", where=where),
        )
        logging.info("TFRecord: images are %r, classes %r.", *keys)
        return keys


def _read_examples(file: str) -> Iterator[tuple[int, dict]]:
    with open(file, "rb") as stream:
        compression = "GZIP" if stream.read(2) == _GZIP else ""
    number = -1
    try:
        records = tf.data.TFRecordDataset(file, compression_type=compression)
        for number, record in enumerate(records.as_numpy_iterator()):
            example = tf.train.Example.FromString(record)
            # The map of a message has no order: names are shown sorted.
            yield number, dict(sorted(example.features.feature.items()))
    except (tf.errors.DataLossError, message.DecodeError) as error:
        raise errors.RunError(
            f"{file} is no TFRecord file of tf.train.Example, or damaged after "
            f"{number + 1} examples: replace it, or give a pattern without it."
        ) from error


def _decode_text(text: bytes, where: str) -> str:
    """UTF-8, or else Latin-1, in which other bytes stay different texts."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        latin = text.decode("latin-1")
        logging.log_first_n(
            logging.WARNING,
            "%s: the class %r is not UTF-8; read as Latin-1: %s.",
            1,
            where,
            text,
            latin,
        )
        return latin


def _value(features: dict, key: str, where: str, flag: str) -> bytes | int:
    if key not in features:
        raise errors.UsageError(
            f"{where} has no {key!r}; it has {', '.join(map(repr, features))}: name a "
            f"feature that all examples have by --{flag}."
        )
    feature = features[key]
    values = feature.bytes_list.value or feature.int64_list.value
    if len(values) != 1:
        raise errors.UsageError(
            f"{where}: {key!r} holds {len(values)} texts or whole numbers; it has to "
            f"be one: name another feature by --{flag}."
        )
    return values[0]
