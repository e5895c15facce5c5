"""What a network's file brings along beside its weights, and what becomes of it."""

import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import METHODS
from adafilter_tf.models import backbones, folding
from tests.conftest import random_images, randomize, tiny_resnet

layers = keras.layers
SIZE = {"image_size": 8, "pixel_range": "0..255"}


def save(model, tmp_path, name="mine") -> str:
    model.save(tmp_path / f"{name}.keras")
    return str(tmp_path / f"{name}.keras")


def classifier(backbone):
    images = keras.Input(backbone.input_shape[1:])
    x = layers.GlobalAveragePooling2D()(backbone(images, training=False))
    return keras.Model(images, layers.Dense(5)(x))


@pytest.mark.parametrize(
    "method", ["fine_tuning", "l2_sp", "lora", "bn_only", "adafilter"]
)
def test_frozen_base_of_a_file_trains_as_the_method_says(method, tmp_path):
    """As Keras' transfer guide leaves a network: base frozen, head trained."""
    counts = []
    for trainable in (True, False):
        model = classifier(tiny_resnet())
        model.layers[1].trainable = trainable
        path = save(model, tmp_path, f"trainable_{trainable}")
        built = METHODS[method].build(backbones.build_backbone(path, **SIZE), 3)
        counts.append(sorted(w.path for w in built.trainable_weights))
    assert counts[0] == counts[1]
    assert len(counts[0]) > 4


def test_run_that_trained_its_head_alone_trains_whole_as_a_backbone(tmp_path):
    probed = METHODS["fine_tuning"].build(tiny_resnet(), 3, tune_blocks="none")
    backbone = backbones.build_backbone(save(probed, tmp_path), **SIZE)
    assert len(backbone.trainable_weights) == len(tiny_resnet().trainable_weights)


def test_network_of_an_l2_sp_run_is_a_backbone(tmp_path):
    source = tiny_resnet()
    trained = METHODS["l2_sp"].build(source, 3)
    backbone = backbones.build_backbone(save(trained, tmp_path), **SIZE)
    images = random_images(2, 8, 8, 3)
    np.testing.assert_allclose(backbone(images), source(images), atol=1e-6)


def test_lora_of_a_file_is_added_to_the_kernels(tmp_path):
    model = tiny_resnet()
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            layer.enable_lora(2)
            layer.lora_kernel_b.assign(np.full(layer.lora_kernel_b.shape, 0.1))
    backbone = backbones.build_backbone(save(model, tmp_path), **SIZE)
    images = random_images(2, 8, 8, 3)
    np.testing.assert_allclose(backbone(images), model(images), atol=1e-5)
    assert not any(getattr(x, "lora_enabled", False) for x in backbone.layers)
    assert len(backbone.trainable_weights) == len(tiny_resnet().trainable_weights)
    METHODS["adafilter"].build(backbone, 3)
    METHODS["lora"].build(backbone, 3)


@pytest.mark.parametrize(
    ("of_file", "of_run"),
    [
        ("float32", "mixed_float16"),
        ("float32", "mixed_bfloat16"),
        ("mixed_float16", "float32"),
        ("float16", "float32"),
    ],
)
def test_precision_of_the_run_is_that_of_a_file(of_file, of_run, tmp_path):
    keras.config.set_dtype_policy(of_file)
    path = save(classifier(tiny_resnet()), tmp_path)
    keras.config.set_dtype_policy(of_run)
    backbone = backbones.build_backbone(path, image_size=8, pixel_range="0..1")
    computed = {x.name: x.compute_dtype for x in backbone.layers if x.weights}
    assert set(computed.values()) == {of_run.removeprefix("mixed_")}
    assert {w.dtype for w in backbone.weights} == {"float32"}
    normalization = backbone.get_layer("pixel_normalization")
    assert normalization.compute_dtype == "float32"


def test_precision_reaches_layers_inside_of_others(tmp_path):
    images = keras.Input((8, 8, 3))
    x = layers.SpectralNormalization(layers.Conv2D(4, 3))(images)
    path = save(keras.Model(images, x), tmp_path)
    keras.config.set_dtype_policy("mixed_bfloat16")
    backbone = backbones.build_backbone(path, **SIZE)
    assert backbone.layers[-1].layer.compute_dtype == "bfloat16"


def test_several_outputs_need_a_named_layer(tmp_path):
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(images)
    pooled = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = [layers.Dense(2, name=name)(pooled) for name in ("age", "kind")]
    path = save(keras.Model(images, outputs), tmp_path)
    with pytest.raises(errors.RunError, match="2 outputs.*'age', 'kind'.*--features_l"):
        backbones.build_backbone(path, **SIZE)
    chosen = backbones.build_backbone(path, **SIZE, features_layer="conv")
    assert chosen.output.shape == (None, 6, 6, 4)


@pytest.mark.parametrize("method", ["adafilter", "spottune"])
def test_gated_network_is_refused_by_name(method, tmp_path):
    gated = METHODS[method].build(noisy_named(), 3)
    name = {"adafilter": "recurrent_gate", "spottune": "policy_network"}[method]
    with pytest.raises(errors.RunError, match=f"'mine' has gates already.*'{name}'"):
        backbones.build_backbone(save(gated, tmp_path), **SIZE)


def test_quantized_network_is_refused_by_name(tmp_path):
    images = keras.Input((8, 8, 3))
    x = layers.Dense(4, name="first")(images)
    model = keras.Model(images, x)
    model.quantize("int8")
    with pytest.raises(errors.RunError, match="quantized|int8"):
        backbones.build_backbone(save(model, tmp_path), **SIZE)


NAMES = (
    *("head", "head_pool", "images", "pixels", "recurrent_gate", "feedforward_gate"),
    *("policy_network", "block_choice", "pixel_normalization"),
    *("block1_conv_gate", "block1_conv_frozen", "block1_conv_difference_add"),
    *("block1_conv_gates", "block1_route", "batch_spectral_shrinkage", "anchored"),
)


def noisy_named(*names):
    """Two blocks, with further convolutions of some names."""
    images = keras.Input((8, 8, 3), name="input")
    x = layers.Conv2D(4, 3, padding="same", name="block1_conv")(images)
    x = layers.BatchNormalization(name="block1_bn")(x)
    for name in sorted({*names, "block2_conv"}):
        x = layers.Conv2D(4, 1, activation="tanh", name=name)(x)
    return randomize(keras.Model(images, x, name="mine"))


@pytest.mark.parametrize("method", METHODS)
def test_names_that_the_methods_need_are_taken_from_no_one(method, tmp_path):
    model = noisy_named(*NAMES)
    images = random_images(2, 8, 8, 3)
    for backbone in (
        backbones.build_backbone(save(model, tmp_path), **SIZE),
        noisy_named(*NAMES),
    ):
        expected = np.array(backbone(images))
        built = METHODS[method].build(backbone, 3)
        head = built.get_layer("head")
        assert head.kernel.path == "head/kernel"
        assert [w.path for w in built.weights].count("head/kernel") == 1
        # Of head, by hand: mean over positions, then the dense layer.
        logits = expected.mean(axis=(1, 2)) @ np.array(head.kernel) + np.array(
            head.bias
        )
        np.testing.assert_allclose(built(images), logits, atol=1e-4)
        folded = folding.fold(built).model
        np.testing.assert_allclose(folded(images), logits, atol=1e-4)
