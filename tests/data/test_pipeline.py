"""Training batches that resume exactly, and the evaluation of every example once."""

import gc
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adafilter_tf.data import pipeline
from adafilter_tf.data.augmentation import Augmentation
from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits

_SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=0.875)
_NOTHING = Augmentation()
_EVERYTHING = Augmentation(
    random_resized_crop_min_area=0.3,
    horizontal_flip=True,
    randaugment=True,
    mixup_alpha=0.4,
)


@pytest.fixture
def jpegs(tmp_path, photograph, encode):
    """Seven different JPEGs of different sizes with 4:2:0 chroma, in three classes."""
    paths = []
    for i in range(7):
        paths.append(str(tmp_path / f"{i}.jpg"))
        piece = photograph[i : 40 + 3 * i, 2 * i : 60]
        (tmp_path / f"{i}.jpg").write_bytes(encode(piece, subsampling=2))
    return Examples(tuple(paths), (0, 1, 2, 0, 1, 2, 0), ("a", "b", "c"))


def _batches(*arguments, **options):
    return list(_dataset(*arguments, **options).as_numpy_iterator())


def _dataset(
    examples, *, augmentation=_NOTHING, steps=8, seed=3, cache="none", **options
):
    data = pipeline.TrainingInput(
        Splits(examples, examples, examples), _SPEC, augmentation, seed, cache
    )
    return pipeline.training_dataset(
        data, global_batch_size=5, total_steps=steps, **options
    )


def _assert_equal(batches, expected):
    assert len(batches) == len(expected) > 0
    for batch, expected_batch in zip(batches, expected, strict=True):
        for array, expected_array in zip(batch, expected_batch, strict=True):
            np.testing.assert_array_equal(array, expected_array)


def _which(batches, examples):
    """Index of the example that each image of unaugmented batches shows."""
    references = np.stack(
        [
            preprocessing.preprocess_for_evaluation(tf.io.read_file(path), _SPEC)
            for path in examples.paths
        ]
    )
    images = np.concatenate([images for images, _ in batches])
    equal = np.all(images[:, None] == references[None], axis=(2, 3, 4))
    assert np.all(equal.sum(1) == 1)
    return equal.argmax(1)


@pytest.mark.parametrize("start_step", [1, 5])
def test_resumed_batches_equal_the_uninterrupted_ones(jpegs, start_step):
    whole = _batches(jpegs, augmentation=_EVERYTHING)
    resumed = _batches(jpegs, augmentation=_EVERYTHING, start_step=start_step)
    _assert_equal(resumed, whole[start_step:])


@pytest.mark.parametrize("cache", ["encoded", "decoded"])
@pytest.mark.parametrize("augmentation", [_NOTHING, _EVERYTHING])
def test_caches_give_the_same_batches(jpegs, cache, augmentation):
    expected = _batches(jpegs, augmentation=augmentation)
    _assert_equal(_batches(jpegs, augmentation=augmentation, cache=cache), expected)


def test_each_epoch_holds_every_example_once_in_a_new_order(jpegs):
    batches = _batches(jpegs, steps=7)  # 35 examples: 5 epochs of 7
    epochs = _which(batches, jpegs).reshape(5, 7)
    np.testing.assert_array_equal(np.sort(epochs, 1), np.tile(np.arange(7), [5, 1]))
    assert len({tuple(epoch) for epoch in epochs}) == 5
    labels = np.concatenate([labels for _, labels in batches])
    expected = np.eye(3)[np.asarray(jpegs.labels)[epochs.ravel()]]
    np.testing.assert_array_equal(labels, expected)


def test_epoch_smaller_than_the_batch(jpegs):
    order = _which(_batches(jpegs.take([0, 1]), steps=2), jpegs.take([0, 1]))
    np.testing.assert_array_equal(np.sort(order.reshape(5, 2), 1), [[0, 1]] * 5)


def test_single_example_is_repeated(jpegs):
    assert set(_which(_batches(jpegs.take([4]), steps=2), jpegs)) == {4}


def test_other_seed_other_batches(jpegs):
    first, other = (
        _which(_batches(jpegs, seed=seed), jpegs).tolist() for seed in (3, 4)
    )
    assert first != other


def test_augmentation_changes_from_epoch_to_epoch(jpegs):
    only_crop = Augmentation(random_resized_crop_min_area=0.3)
    batches = _batches(jpegs.take([0]), augmentation=only_crop, steps=2)
    images = np.concatenate([images for images, _ in batches])
    assert len({image.tobytes() for image in images}) == 10


def test_batch_shapes_are_static_and_pixels_in_range(jpegs):
    dataset = pipeline.training_dataset(
        pipeline.TrainingInput(
            Splits(jpegs, jpegs, jpegs), ImageSpec(8, 1, 1.0), _EVERYTHING
        ),
        global_batch_size=5,
        total_steps=3,
    )
    images, labels = dataset.element_spec
    assert (images.shape, images.dtype) == ((5, 8, 8, 1), tf.float32)
    assert (labels.shape, labels.dtype) == ((5, 3), tf.float32)
    assert dataset.cardinality() == 3
    for images, labels in dataset:
        assert 0.0 <= np.min(images) and np.max(images) <= 255.0
        np.testing.assert_allclose(np.sum(labels, 1), np.ones(5), atol=1e-6)


def test_no_autotuner_delays_the_end_of_a_training(jpegs):
    options = _dataset(jpegs).options()
    assert options.autotune.enabled is False
    assert options.threading.private_threadpool_size > 0


def test_unknown_cache_is_refused(jpegs):
    with pytest.raises(ValueError, match="none, encoded, decoded, received 'disk'"):
        _batches(jpegs, cache="disk")


def test_no_example_is_refused(jpegs):
    with pytest.raises(ValueError, match="at least one example, received none"):
        _batches(jpegs.take([]))


def test_vanished_file_is_named(jpegs, tmp_path):
    (tmp_path / "3.jpg").unlink()
    with pytest.raises(tf.errors.NotFoundError, match=re.escape(jpegs.paths[3])):
        _batches(jpegs)


@pytest.mark.parametrize("batch_size,num_batches", [(3, 3), (7, 1), (10, 1)])
def test_evaluation_gives_every_example_once_in_order(jpegs, batch_size, num_batches):
    dataset = pipeline.evaluation_dataset(jpegs.paths, _SPEC, batch_size=batch_size)
    assert dataset.element_spec.shape == (batch_size, 8, 8, 3)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == num_batches
    images = np.concatenate(batches)
    assert _which([(images[:7], None)], jpegs).tolist() == list(range(7))
    np.testing.assert_array_equal(images[7:], np.zeros_like(images[7:]))


def test_files_of_a_step_are_those_of_its_batch(jpegs):
    batches = _batches(jpegs, steps=4)
    for step, batch in enumerate(batches):
        data = pipeline.TrainingInput(Splits(jpegs, jpegs, jpegs), _SPEC, seed=3)
        listed = pipeline.list_batch(data, step, global_batch_size=5)
        shown = np.ravel(_which([batch], jpegs))
        assert listed == [jpegs.paths[index] for index in shown]


def test_each_batch_is_mixed_by_a_draw_of_its_own(jpegs):
    """Seven classes of one image each, so that a label tells the share of its image."""
    own = Examples(jpegs.paths, tuple(range(7)), tuple("abcdefg"))
    batches = _batches(own, augmentation=Augmentation(mixup_alpha=0.4))
    shares = [
        np.round(np.sort(labels.max(axis=1)), 6).tolist() for _, labels in batches
    ]
    assert all(0.5 <= share <= 1 for shares_of in shares for share in shares_of)
    assert len({tuple(of) for of in shares}) == len(shares) > 1


def _orders(count, place):
    """The first eight of 1,797 examples in `count` orders; place gives (i, seed)."""
    dataset = tf.data.Dataset.range(count).map(
        lambda k: tf.stack(
            [
                pipeline.shuffled_position(i, 1797, seed)
                for i, seed in map(lambda j: place(k, j), range(8))
            ]
        ),
        num_parallel_calls=2,
    )
    return {tuple(order) for order in dataset.as_numpy_iterator()}


def test_ten_thousand_epochs_and_seeds_have_orders_of_their_own():
    assert len(_orders(10_000, lambda k, j: (k * 1797 + j, 5))) == 10_000
    assert len(_orders(10_000, lambda k, j: (tf.constant(j, tf.int64), k))) == 10_000


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_each_epoch_is_a_permutation(order, n):
    numbers = tf.range(2 * n, 3 * n, dtype=tf.int64)
    found = [int(pipeline.shuffled_position(i, n, -3, order)) for i in numbers]
    assert sorted(found) == list(range(n))


def test_first_order_is_that_of_earlier_runs():
    found = [
        int(pipeline.shuffled_position(tf.constant(i, tf.int64), 10, 3, 1))
        for i in range(10, 20)
    ]
    expected = [
        int(tf.random.experimental.index_shuffle(i, [3, 1], 9)) for i in range(10)
    ]
    assert found == expected


def test_converted_images_are_read_after_a_cleared_session(tmp_path):
    """What reads them is traced once and calls Python, whatever became of its graph."""
    path = tmp_path / "image.webp"
    Image.new("RGB", (20, 20), (200, 10, 10)).save(path, lossless=True)
    spec = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)
    for _ in range(2):
        (batch,) = pipeline.evaluation_dataset([str(path)], spec, batch_size=1)
        np.testing.assert_allclose(batch[0, 4, 4], [200, 10, 10], atol=1)
        keras.backend.clear_session()
        gc.collect()
