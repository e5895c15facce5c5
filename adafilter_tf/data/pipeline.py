"""Batches for training, resumable at any step, and for evaluation, every example once.

Training reads a stream of global example numbers i = 0, 1, 2, ... Everything about
example i follows from i and the seed: its epoch i // n, its place in that epoch's
permutation, its augmentation. So the state of the pipeline is one number, the step,
and a run that resumes at step k sees the batches that the uninterrupted run would have
seen.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data.augmentation import Augmentation
from adafilter_tf.data.decoding import conversion, preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Splits

CACHES = ("none", "encoded", "decoded")
# The version of the order of the examples; a run keeps the one that it began with.
EXAMPLE_ORDER = 2
# `index_shuffle` uses few bits of a key (12 for 2,000 examples), hence several rounds.
_ROUNDS = 6
_PARALLEL_CALLS = os.cpu_count()


@dataclasses.dataclass(frozen=True)
class TrainingInput:
    """The images of a run and how training reads them.

    Attributes:
        splits: Train, validation and test examples.
        spec: How an image becomes pixels.
        augmentation: Random changes of the training images.
        seed: Of order and augmentation, any integer of 64 bits.
        cache: "none" reads the files again in each epoch; "encoded" keeps their bytes
            in memory; "decoded" keeps their pixels, H * W * C bytes per image (150 KB
            for 224x224 RGB, 36 MB for 12 megapixels). All give the same batches.
        example_order: See `shuffled_position`.
    """

    splits: Splits
    spec: ImageSpec
    augmentation: Augmentation = Augmentation()
    seed: int = 0
    cache: str = "none"
    example_order: int = EXAMPLE_ORDER


def training_dataset(
    data: TrainingInput,
    *,
    global_batch_size: int,
    total_steps: int,
    start_step: int = 0,
    positions: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Shuffled, augmented batches from `start_step` to the end of training.

    Each epoch is a new permutation of all examples; a batch may hold the end of one
    epoch and the start of the next, and more than one epoch of a small data set.

    Args:
        data: Whose training examples are read.
        global_batch_size: Examples per step over all replicas, B.
        total_steps: Steps of the whole run.
        start_step: Number of steps that were already done.
        positions: Which examples of each batch are made, 0 to B - 1, for a worker that
            has a part of the batches; None for all. MixUp mixes within this part.

    Returns:
        Exactly `total_steps - start_step` pairs of images, float32 [b, S, S, C] in
        0..255, and one-hot labels, float32 [b, K]; b is B or the number of positions.

    Raises:
        ValueError: `cache` is unknown, or there are no training examples.
    """
    examples, spec = data.splits.train, data.spec
    augmentation, seed = data.augmentation, data.seed
    if not len(examples):
        raise ValueError("training_dataset needs at least one example, received none.")
    load = _training_reader(spec, augmentation, data.cache)
    source = _list_sources(examples.paths, data.cache, spec)
    labels = tf.constant(examples.labels, tf.int32)
    num_classes = len(examples.class_names)
    places = range(global_batch_size) if positions is None else positions
    number = stream_index(places, global_batch_size)

    def make_example(made: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        i = number(made)
        position = shuffled_position(i, len(examples), seed, data.example_order)
        image = load(tf.gather(source, position), _split_key(seed, i, _IMAGE_STREAM))
        return image, tf.one_hot(tf.gather(labels, position), num_classes), i

    def finish_batch(images, one_hot, i):
        if augmentation.mixup_alpha > 0.0:
            key = _split_key(seed, i[0], _BATCH_STREAM)[0]
            return augmentation_lib.mixup(
                images, one_hot, augmentation.mixup_alpha, key
            )
        return images, one_hot

    dataset = tf.data.Dataset.range(start_step * len(places), total_steps * len(places))
    dataset = _map(dataset, make_example)
    dataset = dataset.batch(len(places), drop_remainder=True)
    dataset = dataset.map(tf.autograph.experimental.do_not_convert(finish_batch))
    return _run_on_all_cores(dataset)


def feature_dataset(
    features: np.ndarray,
    data: TrainingInput,
    *,
    global_batch_size: int,
    total_steps: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """`training_dataset` with the features of each example in the place of its image.

    Args:
        features: [n, ...], of the n training examples in their order.
        data: Without augmentation.
        global_batch_size: As in `training_dataset`, and so are the others.
        total_steps: Likewise.
        start_step: Likewise.

    Returns:
        `total_steps - start_step` pairs of features [B, ...] and one-hot labels.
    """
    examples, seed = data.splits.train, data.seed
    features = tf.constant(features)
    labels = tf.one_hot(examples.labels, len(examples.class_names))

    def choose_batch(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        positions = tf.map_fn(
            lambda i: shuffled_position(i, len(examples), seed, data.example_order),
            numbers,
        )
        return tf.gather(features, positions), tf.gather(labels, positions)

    numbers = tf.data.Dataset.range(
        start_step * global_batch_size, total_steps * global_batch_size
    )
    batches = numbers.batch(global_batch_size, drop_remainder=True)
    choose = tf.autograph.experimental.do_not_convert(choose_batch)
    return _run_on_all_cores(batches.map(choose))


def list_batch(data: TrainingInput, step: int, *, global_batch_size: int) -> list[str]:
    """Returns the files of the batch that `training_dataset` gives at a step.

    Args:
        data: As given to `training_dataset`.
        step: Number of steps before it.
        global_batch_size: Examples per step over all replicas.
    """
    examples = data.splits.train
    numbers = range(step * global_batch_size, (step + 1) * global_batch_size)
    return [
        examples.paths[
            int(
                shuffled_position(
                    tf.constant(i, tf.int64),
                    len(examples),
                    data.seed,
                    data.example_order,
                )
            )
        ]
        for i in numbers
    ]


def evaluation_dataset(
    paths: Sequence[str],
    spec: ImageSpec,
    *,
    batch_size: int,
    positions: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """The images of `paths` in order, each once, in batches of one shape.

    The last batch is filled up with black images, so that every replica always gets the
    same shape; the caller, who knows how many paths there are, drops the results of the
    rest.

    Args:
        paths: JPEG and PNG files.
        spec: How an image becomes pixels [S, S, C].
        batch_size: B.
        positions: Which images of each batch are made; see `training_dataset`.

    Returns:
        ceil(len(paths) / B) batches of images, float32 [b, S, S, C] in 0..255; b is B
        or the number of positions.
    """
    places = range(batch_size) if positions is None else positions
    filled = [*paths, *[""] * (-len(paths) % batch_size)]
    own = [
        filled[start + place]
        for start in range(0, len(filled), batch_size)
        for place in places
    ]
    dataset = tf.data.Dataset.from_tensor_slices(_to_strings(own))
    dataset = _map(dataset, _evaluation_reader(spec))
    return _run_on_all_cores(dataset.batch(len(places), drop_remainder=True))


def shuffled_position(
    i: tf.Tensor, n: int, seed: int, order: int = EXAMPLE_ORDER
) -> tf.Tensor:
    """Which of the n examples is number i of the stream.

    Each epoch is a permutation of its own. A key of `index_shuffle` counts only in its
    low bits: for up to 60,000 examples seeds and epochs 256 apart gave the same order.
    So the keys are random numbers (Philox) of the seed and the epoch, and several
    permutations follow one another.

    Args:
        i: Scalar int64.
        n: Number of examples.
        seed: Any integer of 64 bits.
        order: 1 is one permutation with the key [seed, epoch], as runs of 2026 and
            before have it.

    Returns:
        Scalar int64 in [0, n).
    """
    place, last = i % n, tf.constant(n - 1, tf.int64)
    key = tf.stack([tf.convert_to_tensor(seed, tf.int64), i // n])
    if order == 1:
        return tf.random.experimental.index_shuffle(place, key, last)
    keys = tf.random.stateless_uniform(
        [_ROUNDS, 2], key, None, None, tf.int64, alg="philox"
    )
    for each in tf.unstack(keys):
        place = tf.random.experimental.index_shuffle(place, each, last)
    return place


def stream_index(
    places: Sequence[int], global_batch_size: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from the number of a made example to that in the stream.

    Args:
        places: Which examples of each batch are made, 0 to B - 1.
        global_batch_size: B.
    """
    places = tf.constant(list(places), tf.int64)
    count = tf.size(places, tf.int64)

    def number(made: tf.Tensor) -> tf.Tensor:
        return made // count * global_batch_size + tf.gather(places, made % count)

    return number


# Keeps the random numbers of different purposes apart; the order of the examples has
# the key [seed, epoch] itself.
_IMAGE_STREAM = 1
_BATCH_STREAM = 2


def _split_key(seed: int, i: tf.Tensor, stream: int) -> tf.Tensor:
    """Two keys, int32 [2, 2], of example i for one purpose."""
    key = tf.random.fold_in(tf.stack([tf.constant(seed, tf.int64), i]), stream)
    return tf.random.split(key, 2)


# Tracing what reads an image takes longer than a few steps of a small network, and one
# run makes a dozen data sets; so it is traced once for each way of reading.
@functools.lru_cache(maxsize=64)
def _evaluation_reader(spec: ImageSpec) -> Callable[[tf.Tensor], tf.Tensor]:
    """Function from a path to pixels [S, S, C]; black for the path ""."""

    def read(path: tf.Tensor) -> tf.Tensor:
        image = preprocessing.preprocess_for_evaluation(
            conversion.read_bytes(path), spec
        )
        return tf.ensure_shape(image, spec.shape)

    def read_or_fill(path: tf.Tensor) -> tf.Tensor:
        black = tf.zeros(spec.shape)
        return tf.cond(tf.equal(path, ""), lambda: black, lambda: read(path))

    return _trace_once(read_or_fill, tf.TensorSpec([], tf.string))


@functools.lru_cache(maxsize=64)
def _training_reader(
    spec: ImageSpec, augmentation: Augmentation, cache: str
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Function from an element of `_list_sources` and two keys to an augmented image.

    Raises:
        ValueError: `cache` is unknown.
    """
    if cache not in CACHES:
        raise ValueError(f"cache is one of {', '.join(CACHES)}, received {cache!r}.")
    min_area = augmentation.random_resized_crop_min_area

    def read(element: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        box_key, augment_key = tf.unstack(keys)

        def choose_box(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
            if min_area < 1.0:
                return augmentation_lib.random_box(height, width, min_area, box_key)
            return preprocessing.central_box(height, width, spec.crop_fraction)

        if cache == "decoded":
            stored = tf.io.parse_tensor(element, tf.uint8)
            image = preprocessing.crop_and_resize(
                tf.ensure_shape(stored, [None, None, spec.channels]),
                choose_box,
                image_size=spec.image_size,
            )
        else:
            encoded = conversion.read_bytes(element) if cache == "none" else element
            image = preprocessing.decode_crop_and_resize(
                encoded,
                choose_box,
                image_size=spec.image_size,
                channels=spec.channels,
                max_pixels=spec.max_pixels,
                background=spec.background,
            )
        return augmentation_lib.augment_image(image, augmentation, augment_key)

    return _trace_once(
        read, tf.TensorSpec([], tf.string), tf.TensorSpec([2, 2], tf.int32)
    )


def _trace_once(function: Callable, *signature: tf.TensorSpec) -> Callable:
    return tf.function(function, input_signature=signature, autograph=False)


def _list_sources(paths: Sequence[str], cache: str, spec: ImageSpec) -> tf.Tensor:
    """What the images of paths are made from, string [n]."""

    def decode(path):
        image = preprocessing.decode_image(
            conversion.read_bytes(path),
            spec.channels,
            spec.max_pixels,
            spec.background,
        )
        return tf.io.serialize_tensor(image)

    if cache == "encoded":
        return _in_memory(_to_strings(paths), conversion.read_bytes)
    if cache == "decoded":
        return _in_memory(_to_strings(paths), decode)
    return _to_strings(paths)


def _to_strings(paths: Sequence[str]) -> tf.Tensor:
    # A file name need not be valid UTF-8.
    return tf.constant([os.fsencode(path) for path in paths], tf.string)


def _in_memory(paths: tf.Tensor, read: Callable) -> tf.Tensor:
    dataset = _map(tf.data.Dataset.from_tensor_slices(paths), read)
    content = dataset.batch(len(paths)).get_single_element()
    num_bytes = tf.reduce_sum(tf.cast(tf.strings.length(content), tf.int64))
    logging.info(
        "Keeping %d training images in memory: %.1f MiB.",
        len(paths),
        int(num_bytes) / 2**20,
    )
    return content


def _map(dataset: tf.data.Dataset, function: Callable) -> tf.data.Dataset:
    """Maps in parallel and in order; the function is graph code, without autograph."""
    function = tf.autograph.experimental.do_not_convert(function)
    return dataset.map(function, num_parallel_calls=_PARALLEL_CALLS)


def _run_on_all_cores(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # At the end of its data TensorFlow 2.21 often waits for the autotuner's next round.
    options.autotune.enabled = False
    options.threading.private_threadpool_size = _PARALLEL_CALLS
    return dataset.prefetch(4).with_options(options)
