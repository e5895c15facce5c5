import random

import keras
import numpy as np
import pytest

from adafilter_tf.methods import METHODS, adafilter, fine_tuning
from adafilter_tf.models import initialization
from tests.conftest import random_images, tiny_resnet


def test_methods_of_one_seed_start_from_the_same_function():
    backbone = tiny_resnet()
    gated, plain = adafilter.build(backbone, 3), fine_tuning.build(backbone, 3)
    images = random_images(2, 8, 8, 3)
    assert np.abs(gated(images) - plain(images)).max() > 1e-2
    for model in (gated, plain):
        initialization.initialize(model, seed=7)
    np.testing.assert_allclose(gated(images), plain(images), atol=1e-5)
    initialization.initialize(plain, seed=8)
    assert np.abs(gated(images) - plain(images)).max() > 1e-2


@pytest.mark.parametrize("method", sorted(METHODS))
def test_nothing_but_the_seed_decides_the_start(method):
    backbone = tiny_resnet()

    def build(global_seed, seed):
        keras.utils.set_random_seed(global_seed)
        clone = keras.models.clone_model(backbone)
        clone.set_weights(backbone.get_weights())
        options = {"gate_noise": 0.5} if method == "adafilter" else {}
        model = METHODS[method].build(clone, 3, **options)
        initialization.initialize(model, seed)
        return [np.asarray(v) for v in (*model.weights, *model.non_trainable_variables)]

    first, second, other = build(1, seed=5), build(2, seed=5), build(1, seed=6)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    changed = sum(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    if method in ("adafilter", "lora", "spottune"):
        assert changed > 2  # what the method adds, and not the head alone
    else:
        assert changed == 1


def test_no_random_state_of_the_caller_is_touched():
    model = adafilter.build(tiny_resnet(), 3)
    random.seed(3)
    expected = random.random()
    random.seed(3)
    initialization.initialize(model, seed=1)
    assert random.random() == expected


def test_gates_begin_with_the_bias_of_their_options():
    model = adafilter.build(tiny_resnet(), 3, gate_initial_bias=-2.0)
    initialization.initialize(model, seed=1)
    gate = model.get_layer("recurrent_gate")
    for logits in gate.filter_logits:
        np.testing.assert_array_equal(logits.bias, -2.0)
        assert np.asarray(logits.kernel).std() > 0.01
