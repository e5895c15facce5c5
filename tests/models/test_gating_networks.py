"""Networks as their owners build them: frozen, shared, nested, in other precision."""

import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.layers import GatedConv2D
from adafilter_tf.models import folding, gate_io, gating
from adafilter_tf.models.folding import constant_gates
from tests.conftest import random_images, randomize, tiny_convnext, tiny_resnet
from tests.models.folding.fold_networks import diverge, measure_difference

layers = keras.layers


def force(gated, value: float) -> None:
    """Makes the gate network say `value`, 0 or 1, for every filter."""
    for logits in gated.get_layer("recurrent_gate").filter_logits:
        logits.kernel.assign(np.zeros(logits.kernel.shape))
        logits.bias.assign(np.full(logits.bias.shape, 2 * value - 1))


def tuned_as(gated, source: keras.Model) -> None:
    """Gives the tuned branches the weights of a plain network of the same layers."""
    for layer in source.layers:
        for weight in layer.weights:
            target = gated.get_layer(layer.name)
            getattr(target, f"tuned_{weight.name}").assign(weight)


def assert_branches(build, atol=1e-5) -> keras.Model:
    """Gates of 0 are one network, gates of 1 another one of the same layers."""
    first, second = randomize(build()), randomize(build(), seed=5)
    for layer in second.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            layer.kernel.assign(layer.kernel * 1.3 + 0.1)
    gated = gating.add_gates(first)
    tuned_as(gated, second)
    images = random_images(3, *first.input_shape[1:])
    assert np.abs(first(images) - second(images)).max() > 1e-2
    for value, expected in ((0.0, first), (1.0, second)):
        force(gated, value)
        np.testing.assert_allclose(gated(images), expected(images), atol=atol)
    return gated


def read_twice():
    """A convolution that a batch norm and a sum read."""
    images = keras.Input((8, 8, 3))
    conv = layers.Conv2D(4, 3, name="conv")(images)
    norm = layers.BatchNormalization(name="bn")(conv)
    return keras.Model(images, layers.Add()([conv, norm]))


def dilated():
    images = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, dilation_rate=2, name="conv")(images)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same", name="depth")(x)
    return keras.Model(images, x)


def called_by_keyword():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs=images)
    x = layers.BatchNormalization(name="bn")(inputs=x, training=None)
    x = layers.Dense(3, activation="relu", name="dense")(inputs=x)
    return keras.Model(images, x)


def shared():
    """A convolution that two norms, and one that an activation and a norm read."""
    images = keras.Input((8, 8, 4))
    conv = layers.Conv2D(4, 3, padding="same", name="conv")
    x = layers.BatchNormalization(name="bn1")(conv(images))
    x = layers.BatchNormalization(name="bn2")(conv(layers.ReLU()(x)))
    x = layers.Activation("tanh")(conv(x))
    return keras.Model(images, x)


def shared_norm():
    """A batch norm behind a convolution, behind another one and behind a sum."""
    images = keras.Input((8, 8, 4))
    norm, relu = layers.BatchNormalization(name="bn"), layers.ReLU()
    x = relu(norm(layers.Conv2D(4, 3, padding="same", name="conv1")(images)))
    x = relu(norm(layers.Conv2D(4, 3, padding="same", name="conv2")(x)))
    return keras.Model(images, norm(layers.Add()([x, images])))


@pytest.mark.parametrize("build", [read_twice, dilated, called_by_keyword])
def test_both_branches_are_exactly_their_networks(build):
    gated = assert_branches(build)
    folded = folding.fold(diverge(gated))
    images = random_images(4, *gated.input_shape[1:])
    assert measure_difference(folded.model, gated, images) < 1e-5


def test_convolution_that_two_layers_read_is_blended_before_both():
    gated = gating.add_gates(randomize(read_twice()))
    assert list(gate_io.list_gates(gated)) == ["conv", "bn"]


@pytest.mark.parametrize(
    ("build", "gates"),
    [
        (shared, ["conv", "conv_call2", "conv_call3"]),
        (shared_norm, ["conv1", "conv2", "bn_call3"]),
    ],
)
def test_layer_called_again_has_one_pair_of_banks_and_gates_at_each_call(
    build, gates, tmp_path
):
    gated = assert_branches(build)
    assert list(gate_io.list_gates(gated)) == gates
    assert sum(isinstance(x, GatedConv2D) for x in gated.layers) == (
        sum(isinstance(x, layers.Conv2D) for x in build().layers)
    )
    gated = gating.add_gates(randomize(build()))
    images = random_images(6, 8, 8, 4)
    for logits in gated.get_layer("recurrent_gate").filter_logits:
        logits.kernel.assign(logits.kernel * 20)
    diverge(gated)
    gated.save(tmp_path / "gated.keras")
    loaded = keras.saving.load_model(tmp_path / "gated.keras")
    assert np.array_equal(loaded(images), gated(images))
    for constants in (None, constant_gates.calibrate(gated, [images])):
        folded = folding.fold(gated, constants).model
        assert measure_difference(folded, gated, images) < 1e-5


@pytest.mark.parametrize("build", [shared, shared_norm])
def test_plain_network_with_shared_layers_folds(build):
    model = randomize(build())
    folded = folding.fold(model).model
    images = random_images(4, 8, 8, 4)
    assert measure_difference(folded, model, images) < 1e-5
    assert not any(isinstance(x, layers.BatchNormalization) for x in folded.layers[:4])


def test_soft_gates_blend_before_the_activation():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(images)
    gated = gating.add_gates(keras.Model(images, x), gate_policy="soft")
    conv = gated.get_layer("conv")
    conv.tuned_kernel.assign(-2.0 * conv.tuned_kernel)
    batch = random_images(3, 8, 8, 3)
    gates = keras.Model(gated.input, gate_io.list_gates(gated)["conv"])(batch)
    gates = np.array(gates)[:, None, None]
    frozen, tuned = (
        np.array(keras.ops.conv(batch, kernel))
        for kernel in (conv.frozen_kernel, conv.tuned_kernel)
    )
    expected = np.maximum(gates * tuned + (1 - gates) * frozen, 0)
    np.testing.assert_allclose(gated(batch), expected, atol=1e-5)


def test_layers_frozen_by_their_owner_stay_frozen_and_ungated():
    backbone = tiny_resnet()
    frozen = ["stem_conv", "stem_bn", "stage1_block1_bn2"]
    for name in frozen:
        backbone.get_layer(name).trainable = False
    gated = gating.add_gates(backbone)
    assert list(gate_io.list_gates(gated)) == [
        "stage1_block1_conv1",
        "stage1_block1_shortcut_conv",
        "stage1_block1_conv2",
    ]
    assert not any(w.path.startswith(tuple(frozen)) for w in gated.trainable_weights)
    images = random_images(2, 8, 8, 3)
    np.testing.assert_allclose(gated(images), backbone(images), atol=1e-5)
    stem = keras.Model(gated.input, gated.get_layer("stem_relu").output)
    np.testing.assert_array_equal(
        stem(images, training=True), stem(images, training=False)
    )


def test_backbone_that_is_frozen_whole_is_refused():
    backbone = tiny_resnet()
    backbone.trainable = False
    with pytest.raises(errors.RunError, match="'stem_conv', have trainable=False. Set"):
        gating.add_gates(backbone)


def network_of(layer, prepare=lambda layer: None):
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, layer(images))
    prepare(layer)
    return model


@pytest.mark.parametrize(
    ("layer", "prepare", "message"),
    [
        (
            layers.Conv2D(4, 3, name="mine"),
            lambda layer: layer.enable_lora(2),
            r"'mine' has a change of low rank \(LoRA, rank 2\)",
        ),
        (
            layers.Dense(4, name="mine"),
            lambda layer: layer.quantize("int8"),
            r"'mine' \(Dense\) is quantized to int8",
        ),
        (
            layers.Dense(4, name="mine"),
            lambda layer: layer.quantize("float8"),
            r"'mine' \(Dense\) is quantized to float8",
        ),
        (
            layers.Conv2D(4, 3, activation=layers.PReLU(), name="mine"),
            lambda layer: None,
            "'mine' has the layer PReLU as its activation; allowed are functions",
        ),
    ],
)
def test_layer_that_cannot_be_gated_is_refused_by_name(layer, prepare, message):
    with pytest.raises(errors.RunError, match=message):
        gating.add_gates(network_of(layer, prepare))


def test_gated_network_is_not_gated_again():
    gated = gating.add_gates(tiny_resnet())
    with pytest.raises(errors.RunError, match="has gates already.*'recurrent_gate'"):
        gating.add_gates(gated)


def test_lambda_is_used_again():
    images = keras.Input((8, 8, 3))
    x = layers.Lambda(lambda x, by: x / by, arguments={"by": 4.0}, name="scale")(images)
    backbone = keras.Model(images, layers.Conv2D(4, 3, name="conv")(x))
    batch = random_images(2, 8, 8, 3)
    for _ in range(2):  # The backbone is left as it was.
        gated = gating.add_gates(backbone)
        np.testing.assert_allclose(gated(batch), backbone(batch), atol=1e-6)


@pytest.mark.parametrize("build", [tiny_resnet, tiny_convnext])
@pytest.mark.parametrize(
    ("policy", "atol"), [("float64", 1e-12), ("float16", 0.05), ("bfloat16", 0.5)]
)
def test_pure_policies(build, policy, atol):
    keras.config.set_dtype_policy(policy)
    backbone = build()
    gated = gating.add_gates(backbone)
    images = random_images(2, 8, 8, 3)
    expected, actual = (
        np.array(m(images)).astype("float64") for m in (backbone, gated)
    )
    assert gated.output.dtype == policy
    np.testing.assert_allclose(actual, expected, atol=atol, rtol=0.05)
    assert np.isfinite(np.array(gated(images, training=True)).astype("float64")).all()


def nested(gated):
    """A model of the user's around a gated network, with a layer of the same name."""
    images = keras.Input((8, 8, 3), name="pictures")
    x = layers.Conv2D(3, 1, activation="tanh", name="stem_conv")(images)
    x = layers.GlobalAveragePooling2D()(gated(x))
    return keras.Model(images, layers.Dense(5, name="classes")(x))


def sequential(gated):
    pool = layers.GlobalAveragePooling2D()
    return keras.Sequential([keras.Input((8, 8, 3)), gated, pool, layers.Dense(5)])


@pytest.mark.parametrize("surround", [nested, sequential])
def test_gated_network_inside_of_ones_own_model_is_found(surround):
    gated = diverge(gating.add_gates(tiny_resnet()))
    model = surround(gated)
    images = keras.ops.convert_to_tensor(random_images(6, 8, 8, 3))
    names = list(gate_io.list_gates(gated))
    gates = keras.Model(model.inputs, gate_io.list_gates(model))(images)
    assert list(gates) == names
    assert gated.get_layer("stem_conv").output is not None  # it is called once still
    forced = gate_io.force_gates(model)
    given = {"images": images, "gates": gates}
    np.testing.assert_allclose(forced(given), model(images), atol=1e-5)
    flipped = {"images": images, "gates": {k: 1 - v for k, v in gates.items()}}
    assert np.abs(forced(flipped) - model(images)).max() > 1e-4
    constants = constant_gates.calibrate(model, [images])
    folded = folding.fold(model, constants)
    assert list(folded.num_filters) == names
    assert measure_difference(folded.model, model, images) < 1e-5
