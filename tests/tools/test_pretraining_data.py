import itertools

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import errors
from tools import pretraining_data


def _numbered_images(count):
    """Images of 2x2 whose pixels are all the image's number."""
    return (
        np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2)
    )


def _dataset(seed=0, count=10, **changes):
    options = {"image_size": 4, "max_shift": 1, "batch_size": 5, "epochs": 2, **changes}
    labels = np.arange(count, dtype=np.int32)
    return pretraining_data.training_dataset(
        _numbered_images(count), labels, seed=seed, **options
    )


def test_validation_is_the_last_examples():
    (_, training), (_, validation) = pretraining_data.hold_out_validation(
        np.zeros((5, 2, 2, 1)), np.arange(5), 2
    )

    assert training.tolist() == [0, 1, 2]
    assert validation.tolist() == [3, 4]


def test_validation_that_leaves_nothing_is_refused():
    with pytest.raises(
        errors.UsageError,
        match="^--validation_examples=3 leaves no training example; there are 3, so "
        "give at most 2.$",
    ):
        pretraining_data.hold_out_validation(np.zeros((3, 2, 2, 1)), np.zeros(3), 3)


def test_padding_centres_the_image_on_black():
    padded = pretraining_data.pad_to(np.full((1, 2, 2, 1), 7, np.uint8), 4)

    np.testing.assert_array_equal(
        padded[0, ..., 0], [[0, 0, 0, 0], [0, 7, 7, 0], [0, 7, 7, 0], [0, 0, 0, 0]]
    )


def test_normalization_maps_the_pixel_range_to_plus_minus_two():
    normalized = pretraining_data.normalize(np.array([0, 255], np.uint8))

    np.testing.assert_array_equal(normalized, [-2.0, 2.0])


def test_augmentation_gives_every_crop_and_its_mirror_image_and_nothing_else():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    possible = set()
    for row, column in itertools.product(range(3), repeat=2):
        crop = image[row : row + 2, column : column + 2]
        possible |= {crop.tobytes(), crop[:, ::-1].tobytes()}

    # 500 draws of 18 equally likely crops miss one of them with probability 1e-11.
    crops = pretraining_data.augment(
        tf.constant(np.repeat(image[None], 500, axis=0)), 2, seed=tf.constant([1, 2])
    )

    assert {crop.tobytes() for crop in crops.numpy()} == possible


def test_each_epoch_holds_each_example_once_in_a_new_order():
    labels = np.concatenate([labels for _, labels in _dataset()]).reshape(2, 10)

    np.testing.assert_array_equal(np.sort(labels, axis=1), [np.arange(10)] * 2)
    assert labels[0].tolist() != labels[1].tolist()


def test_images_keep_their_labels_and_all_their_pixels_when_shifted():
    for images, labels in _dataset():
        pixels = images.numpy() * 63.75 + 127.5
        # Four pixels of the image's number, black elsewhere; float32 rounding.
        np.testing.assert_allclose(pixels.sum((1, 2, 3)), 4 * labels.numpy(), atol=1e-3)


def test_seed_decides_order_and_augmentation():
    def batches(seed):
        return [(x.numpy().tolist(), y.numpy().tolist()) for x, y in _dataset(seed)]

    assert batches(3) == batches(3)
    assert batches(3) != batches(4)


def test_batches_run_on_over_the_end_of_an_epoch():
    dataset = _dataset(count=3, batch_size=2, epochs=3)

    assert int(dataset.cardinality()) == 4
    assert [len(labels) for _, labels in dataset] == [2, 2, 2, 2]


def test_moved_images_are_surrounded_by_the_background():
    black = np.zeros((1, 2, 2, 1), np.uint8)
    padded = pretraining_data.pad_to(black, 4, background=255)

    assert padded.sum() == 12 * 255
