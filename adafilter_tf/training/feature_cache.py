"""Training on the features of the frozen layers, computed once for each image."""

import functools
import math
import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf import distribution, errors
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.models import freezing, graph, trunk


def cache(
    model: keras.Model, data: pipeline.TrainingInput, *, batch_size: int
) -> tuple[keras.Model, Callable[..., tf.data.Dataset]]:
    """Computes what a model's frozen layers make of the training images.

    Args:
        model: Whose first layers are frozen, see `trunk.split_trunk`.
        data: Its augmentation must change nothing: each image has its features once.
        batch_size: Images that the frozen layers see at a time.

    Returns:
        The layers behind the frozen ones, as a model that shares its weights with
        `model`, and a function of the arguments `global_batch_size`, `total_steps`
        and `start_step` of `pipeline.training_dataset` to the same batches of
        features that the frozen layers would make of the batches of images.

    Raises:
        UsageError: With augmentation, on several workers, or when the first layers
            train.
        RunError: When the features do not fit into the free memory.
    """
    check(model, data)
    frozen, rest = split(model)
    reader = create_reader(frozen, data.spec, batch_size=batch_size)
    features = compute(frozen, data, reader)
    return rest, functools.partial(pipeline.feature_dataset, features, data)


def check(model: keras.Model, data: pipeline.TrainingInput) -> None:
    """Checks that each training image has its features once, in this process.

    Raises:
        UsageError: Otherwise, see `cache`.
    """
    if data.augmentation != augmentation_lib.Augmentation():
        raise errors.UsageError(
            "Received --cache_frozen_features with augmentation, which makes other "
            "features of an image in each epoch; remove one of the two: "
            "--random_resized_crop_min_area, --horizontal_flip, --randaugment and "
            "--mixup_alpha at their defaults change nothing."
        )
    if distribution.is_multi_worker(model.distribute_strategy):
        raise errors.UsageError(
            "Received --cache_frozen_features on several workers, which it cannot do "
            "yet; leave it out, or train on one machine."
        )


def split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns a model's frozen first layers and the layers behind them.

    Raises:
        UsageError: When the first layers train, see `cache`.
    """
    with model.distribute_strategy.scope():
        parts = trunk.split_trunk(model)
    if parts is None:
        _check_not_augmented(model)
        raise errors.UsageError(
            "Received --cache_frozen_features, but no first layers of this network are "
            "frozen; set --gate_from to a later layer, or --tune_blocks to fewer "
            "blocks."
        )
    return parts


class Memory:
    """Remembers the features of images, by their paths.

    Args:
        read: From paths to features [n, ...], which stay what they are.

    Example:
        >>> seen = []
        >>> def read(paths):
        ...     seen.extend(paths)
        ...     return np.array([[len(path)] for path in paths])
        >>> memory = Memory(read)
        >>> memory(["a", "bc"]).tolist(), memory(["bc", "def"]).tolist(), seen
        ([[1], [2]], [[2], [3]], ['a', 'bc', 'def'])
    """

    def __init__(self, read: Callable[[Sequence[str]], np.ndarray]):
        self._read = read
        self._found: dict[str, np.ndarray] = {}

    def __call__(self, paths: Sequence[str]) -> np.ndarray:
        """Returns the features of images, [n, ...]."""
        missing = [path for path in dict.fromkeys(paths) if path not in self._found]
        if missing:
            self._found.update(zip(missing, self._read(missing), strict=True))
        return np.stack([self._found[path] for path in paths])


def create_reader(
    frozen: keras.Model, spec: preprocessing.ImageSpec, *, batch_size: int
) -> Callable[[Sequence[str]], np.ndarray]:
    """Returns the function from image paths to their features, [n, ...].

    Args:
        frozen: The first part of `split`.
        spec: How an image becomes pixels.
        batch_size: Images that the frozen layers see at a time.
    """

    def read(paths: Sequence[str]) -> np.ndarray:
        images = pipeline.evaluation_dataset(paths, spec, batch_size=batch_size)
        return frozen.predict(images, verbose=0)[: len(paths)]

    return read


def compute(
    frozen: keras.Model,
    data: pipeline.TrainingInput,
    read: Callable[[Sequence[str]], np.ndarray],
) -> np.ndarray:
    """Returns the features of the training images, [n, ...].

    Args:
        frozen: The first part of `split`.
        data: Whose training images are read.
        read: Made by `create_reader`.

    Raises:
        RunError: When the features do not fit into the free memory.
    """
    examples = data.splits.train
    _check_memory(frozen, len(examples))
    features = read(examples.paths)
    logging.info(
        "Keeping the features of %d training images behind %s in memory: %.1f MiB.",
        len(examples),
        frozen.layers[-1].name,
        features.nbytes / 2**20,
    )
    return features


def _check_not_augmented(model: keras.Model) -> None:
    calls = graph.list_calls(model)
    augmenting = freezing.list_augmenting_calls(calls)
    for call in calls:
        if call.name in augmenting:
            raise errors.UsageError(
                f"Received --cache_frozen_features, but the network's layer "
                f"{call.layer.name!r} ({type(call.layer).__name__}) changes images at "
                "random: each epoch has other features. Remove the layer from the "
                "backbone, or leave out --cache_frozen_features."
            )


def _check_memory(frozen: keras.Model, count: int) -> None:
    # Once as the result of the frozen layers and once as TensorFlow's.
    size = keras.backend.standardize_dtype(frozen.output.dtype)
    width = 2 if "16" in size else 4
    needed = 2 * count * math.prod(frozen.output.shape[1:]) * width
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > free:
        raise errors.RunError(
            f"The features of {count} training images behind "
            f"{frozen.layers[-1].name!r} need {needed / 2**30:.1f} GiB of memory and "
            f"{free / 2**30:.1f} GiB are free; freeze up to a later layer, where they "
            "are smaller, or leave out --cache_frozen_features."
        )
