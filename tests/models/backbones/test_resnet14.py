import hashlib
import pathlib

import keras
import numpy as np
import pytest

from adafilter_tf.models.backbones import resnet14

WEIGHTS = pathlib.Path(resnet14.__file__).parent / "weights"


def _batch(channels=1, size=16):
    random = np.random.default_rng(0)
    return random.normal(size=(2, size, size, channels)).astype(np.float32)


def test_parameters_are_those_of_the_architecture():
    convolutions = [9 * 1 * 32, *4 * [9 * 32 * 32], 1 * 32 * 32]
    convolutions += [9 * 32 * 64, *3 * [9 * 64 * 64], 1 * 32 * 64]
    convolutions += [9 * 64 * 128, *3 * [9 * 128 * 128], 1 * 64 * 128]
    # Four values per filter of a batch norm: the stem's, and five for each stage.
    batch_norms = 4 * (32 + 5 * (32 + 64 + 128))

    assert resnet14.resnet14().count_params() == sum(convolutions) + batch_norms


def test_every_stage_halves_the_resolution():
    model = resnet14.resnet14((32, 32, 3))

    shapes = [
        model.get_layer(name).output.shape[1:]
        for name in ("stem_relu", *(f"stage{stage}_block2_out" for stage in (1, 2, 3)))
    ]
    assert shapes == [(32, 32, 32), (16, 16, 32), (8, 8, 64), (4, 4, 128)]


def test_layers_have_the_names_that_users_choose_by():
    names = [layer.name for layer in resnet14.resnet14().layers]

    block = ("conv1", "bn1", "relu1", "conv2", "bn2", "add", "out")
    shortcut = ("shortcut_conv", "shortcut_bn")
    expected = {"images", "stem_conv", "stem_bn", "stem_relu"}
    for stage in (1, 2, 3):
        expected |= {f"stage{stage}_block1_{part}" for part in block + shortcut}
        expected |= {f"stage{stage}_block2_{part}" for part in block}
    assert set(names) == expected


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_block_without_residual_hands_its_input_on(stage):
    model = resnet14.resnet14((16, 16, 1))
    model.get_layer(f"stage{stage}_block2_bn2").gamma.assign(
        np.zeros(32 * 2 ** (stage - 1))
    )
    names = (f"stage{stage}_block1_out", f"stage{stage}_block2_out")
    outputs = [model.get_layer(name).output for name in names]

    before, after = keras.Model(model.input, outputs)(_batch())

    assert np.any(before)
    np.testing.assert_array_equal(before, after)


def test_statistics_forget_a_tenth_with_each_training_step():
    model = resnet14.resnet14((16, 16, 1))
    images = _batch()

    model(images, training=True)

    stem = model.get_layer("stem_conv")(images)
    np.testing.assert_allclose(
        model.get_layer("stem_bn").moving_mean,
        0.1 * np.mean(stem, axis=(0, 1, 2)),
        # float32 sums over 512 values in another order.
        atol=1e-6,
    )


def test_input_tensor_puts_other_layers_in_front():
    pixels = keras.Input((16, 16, 1))
    doubled = keras.layers.Rescaling(2.0)(pixels)
    plain = resnet14.resnet14((16, 16, 1))
    model = resnet14.resnet14(input_tensor=doubled)
    model.set_weights(plain.get_weights())

    np.testing.assert_array_equal(
        model.predict(_batch(), verbose=0), plain.predict(2 * _batch(), verbose=0)
    )


def test_bundled_weights_are_those_of_the_card():
    path = WEIGHTS / "resnet14_fashion_mnist.weights.h5"
    card = (WEIGHTS / "resnet14_fashion_mnist.md").read_text("utf-8")

    assert path.stat().st_size < 4_000_000
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card


def test_bundled_weights_load_and_are_trained():
    model = resnet14.resnet14()
    model.load_weights(WEIGHTS / "resnet14_fashion_mnist.weights.h5")

    norms = [
        layer for layer in model.layers if layer.name.endswith(("bn", "bn1", "bn2"))
    ]
    assert len(norms) == 16
    for norm in norms:
        assert np.all(np.isfinite(norm.moving_variance)), norm.name
        assert np.any(norm.gamma != 1.0), norm.name
