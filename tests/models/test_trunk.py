import keras
import numpy as np
import pytest

from adafilter_tf.methods import adafilter, fine_tuning, spottune
from adafilter_tf.models import trunk
from tests.conftest import random_images, tiny_resnet


def freeze(model, *names):
    for name in names:
        model.get_layer(name).trainable = False
    return model


def test_the_parts_compute_the_whole():
    model = adafilter.build(tiny_resnet(), 3, gate_from="stage1")
    images = random_images(4, 8, 8, 3)
    frozen, rest = trunk.split_trunk(model)
    assert frozen.layers[-1].name == "stem_relu"
    for mode in (False, True):
        np.testing.assert_allclose(
            rest(frozen(images), training=mode),
            model(images, training=mode),
            atol=1e-5,
        )


def test_the_rest_trains_what_the_whole_trains(tmp_path):
    model = adafilter.build(tiny_resnet(), 3, gate_from="stage1")
    frozen, rest = trunk.split_trunk(model)
    paths = [weight.path for weight in model.trainable_weights]
    assert sorted(weight.path for weight in rest.trainable_weights) == sorted(paths)
    assert not frozen.trainable_weights
    model.get_layer("head").kernel.assign_add(np.ones((12, 3)))
    images = random_images(4, 8, 8, 3)
    np.testing.assert_allclose(rest(frozen(images)), model(images), atol=1e-5)
    model.save(tmp_path / "whole.keras")
    loaded = keras.saving.load_model(tmp_path / "whole.keras")
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-6)


def test_frozen_features_end_in_front_of_the_head():
    model = fine_tuning.build(tiny_resnet(), 3, tune_blocks="none")
    frozen, rest = trunk.split_trunk(model)
    assert frozen.layers[-1].name == "head_pool"
    assert [layer.name for layer in rest.layers if layer.weights] == ["head"]


def test_trunk_ends_where_a_later_layer_reads_past_it():
    """The first convolution of the block is frozen, but the shortcut is not."""
    model = freeze(
        fine_tuning.build(tiny_resnet(), 3),
        *("stem_conv", "stem_bn", "stage1_block1_conv1", "stage1_block1_bn1"),
    )
    frozen, _ = trunk.split_trunk(model)
    assert frozen.layers[-1].name == "stem_relu"


def test_trunk_ends_in_front_of_random_numbers():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, trainable=False, name="conv")(images)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    model = keras.Model(images, keras.layers.Dense(3)(x))
    frozen, _ = trunk.split_trunk(model)
    assert frozen.layers[-1].name == "conv"


@pytest.mark.parametrize("build", [adafilter.build, fine_tuning.build, spottune.build])
def test_network_that_trains_from_its_first_layer_has_no_trunk(build):
    assert trunk.split_trunk(build(tiny_resnet(), 3)) is None
