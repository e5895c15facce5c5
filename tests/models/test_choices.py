import keras
import numpy as np

from adafilter_tf.methods import adafilter, fine_tuning, spottune
from adafilter_tf.models import choices, resnet14
from tests.conftest import random_images, tiny_resnet
from tests.models.test_routing import force


def choose(model, images):
    return keras.Model(model.input, choices.list_gates(model))(images, training=False)


def test_model_without_choices_has_none():
    assert choices.list_gates(fine_tuning.build(tiny_resnet(), 3)) == {}


def test_gates_of_adafilter_are_one_per_filter():
    backbone = tiny_resnet()
    gates = choose(adafilter.build(backbone, 3), random_images(2, 8, 8, 3))
    convolutions = [x for x in backbone.layers if isinstance(x, keras.layers.Conv2D)]
    assert {name: gate.shape for name, gate in gates.items()} == {
        layer.name: (2, layer.filters) for layer in convolutions
    }


def test_gates_of_spottune_are_one_per_block_in_order():
    model = spottune.build(resnet14.resnet14((32, 32, 3)), 3)
    force(model, 0, 1, 1, 0, 0, 1)
    gates = choose(model, random_images(2, 32, 32, 3))
    assert list(gates) == [
        f"stage{stage}_block{block}" for stage in (1, 2, 3) for block in (1, 2)
    ]
    np.testing.assert_array_equal(
        np.concatenate(list(gates.values()), axis=1), 2 * [[0, 1, 1, 0, 0, 1]]
    )
