import keras
import numpy as np

from adafilter_tf.methods import adafilter, fine_tuning, spottune
from adafilter_tf.models import gate_io
from adafilter_tf.models.backbones import resnet14
from tests.conftest import random_images, tiny_resnet
from tests.models.test_routing import force


def choose(model, images):
    return keras.Model(model.input, gate_io.list_gates(model))(images, training=False)


def test_model_without_choices_has_none():
    assert gate_io.list_gates(fine_tuning.build(tiny_resnet(), 3)) == {}


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


def test_forced_gates_are_those_that_count():
    model = adafilter.build(tiny_resnet(), 3)
    rng = np.random.default_rng(0)
    for weight in model.get_layer("stem_conv").trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    images = keras.ops.convert_to_tensor(random_images(2, 8, 8, 3))
    forced = gate_io.force_gates(model)
    own = choose(model, images)
    logits = forced({"images": images, "gates": own})
    np.testing.assert_allclose(logits, model(images, training=False), atol=1e-6)
    flipped = {**own, "stem_conv": 1 - own["stem_conv"]}
    changed = forced({"images": images, "gates": flipped})
    assert np.abs(logits - changed).max() > 1e-4


def test_forced_blocks_are_those_that_count():
    model = spottune.build(resnet14.resnet14((32, 32, 3)), 3)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.05 * rng.normal(size=weight.shape))
    images = keras.ops.convert_to_tensor(random_images(2, 32, 32, 3))
    forced = gate_io.force_gates(model)
    gates = choose(model, images)
    for blocks in ((0, 1, 1, 0, 0, 1), (1, 1, 1, 1, 1, 1)):
        force(model, *blocks)
        given = {
            name: keras.ops.full((2, 1), float(block))
            for name, block in zip(gates, blocks, strict=True)
        }
        np.testing.assert_allclose(
            forced({"images": images, "gates": given}),
            model(images, training=False),
            atol=1e-5,
        )
