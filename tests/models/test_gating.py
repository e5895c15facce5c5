import keras
import numpy as np
import pytest
from keras.src.applications.convnext import LayerScale

from adafilter_tf import errors
from adafilter_tf.layers.filter_gate import GATE_POLICIES, LEARNED_POLICIES
from adafilter_tf.models import gate_io, gating
from tests.conftest import random_images, randomize, tiny_resnet

OPTIONS = [
    *({"gate_policy": policy} for policy in GATE_POLICIES),
    {"gate_network": "feedforward"},
    {"gated_batch_norm": False},
    {"gate_noise": 0.5},
    {"gate_policy": "soft", "gate_network": "feedforward", "gated_batch_norm": False},
]


def gate_values(model, images):
    gates = gate_io.list_gates(model)
    values = keras.Model(model.input, list(gates.values()))(images)
    return dict(zip(gates, map(keras.ops.convert_to_numpy, values), strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_any_gates_give_the_pretrained_features_at_the_start(options):
    """I1."""
    backbone = tiny_resnet()
    images = random_images(4, 8, 8, 3)
    gated = gating.add_gates(backbone, **options)
    np.testing.assert_allclose(gated(images), backbone(images), atol=1e-4)


def test_gates_are_decided_in_the_order_of_execution():
    """Pinned: in Keras' ResNets the shortcut comes after the third convolution."""
    backbone = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    order = list(gate_io.list_gates(gating.add_gates(backbone)))
    assert len(order) == 53
    assert order[:6] == [
        "conv1_conv",
        "conv2_block1_1_conv",
        "conv2_block1_2_conv",
        "conv2_block1_3_conv",
        "conv2_block1_0_conv",
        "conv2_block2_1_conv",
    ]


def test_gates_follow_the_equations_by_hand():
    """The cell, called by hand on the layers' inputs, gives the network's gates."""
    gated = gating.add_gates(tiny_resnet(), gate_units=5)
    images = random_images(3, 8, 8, 3)
    cell = gated.get_layer("recurrent_gate")
    state = (None, None)
    for step, (name, gates) in enumerate(gate_values(gated, images).items()):
        inputs = gated.get_layer(name).input
        inputs = keras.Model(gated.input, inputs)(images)
        probabilities, *state = cell(inputs, *state, step=step)
        assert np.array_equal(gates, np.asarray(probabilities > 0.5))


def test_feedforward_gates_come_from_the_inputs_of_their_layers():
    gated = gating.add_gates(tiny_resnet(), gate_network="feedforward", gate_units=5)
    images = random_images(3, 8, 8, 3)
    network = gated.get_layer("feedforward_gate")
    values = gate_values(gated, images)
    assert list(values) == [
        "stem_conv",
        "stage1_block1_conv1",
        "stage1_block1_shortcut_conv",
        "stage1_block1_conv2",
    ]
    for step, (name, gates) in enumerate(values.items()):
        inputs = keras.Model(gated.input, gated.get_layer(name).input)(images)
        probabilities = network(inputs, step=step)
        assert np.array_equal(gates, np.asarray(probabilities > 0.5))


def test_temperature_divides_the_logits_of_the_gates():
    logits = {}
    for temperature in (1.0, 4.0):
        keras.utils.set_random_seed(0)
        gated = gating.add_gates(
            tiny_resnet(), gate_policy="soft", gate_temperature=temperature
        )
        p = gate_values(gated, random_images(3, 8, 8, 3))["stem_conv"]
        logits[temperature] = np.log(p / (1 - p))
    np.testing.assert_allclose(logits[4.0], logits[1.0] / 4, atol=1e-5)


def test_plain_batch_norm_reads_the_blend_and_trains():
    backbone = tiny_resnet()
    gated = gating.add_gates(backbone, gated_batch_norm=False)
    rng = np.random.default_rng(0)
    layer, norm = gated.get_layer("stem_conv"), gated.get_layer("stem_bn")
    layer.tuned_kernel.assign_add(rng.normal(size=layer.tuned_kernel.shape))
    assert type(norm) is keras.layers.BatchNormalization
    assert [w.trainable for w in norm.weights] == [True, True, False, False]
    images = random_images(3, 8, 8, 3)
    gates = gate_values(gated, images)["stem_conv"][:, None, None]
    frozen, tuned = (
        keras.ops.conv(images, kernel, padding="same").numpy()
        for kernel in (layer.frozen_kernel, layer.tuned_kernel)
    )
    blend = gates * tuned + (1 - gates) * frozen
    gamma, beta, mean, variance = backbone.get_layer("stem_bn").get_weights()
    expected = gamma * (blend - mean) / np.sqrt(variance + norm.epsilon) + beta
    actual = keras.Model(gated.input, norm.output)(images)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_every_batch_norm_stays_plain_without_gated_batch_norm():
    images = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="preact_bn")(images)
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    gated = gating.add_gates(keras.Model(images, x), gated_batch_norm=False)
    assert list(gate_io.list_gates(gated)) == ["conv"]
    assert gated.get_layer("preact_bn").gamma.trainable


def test_tuned_penalty_weighs_every_filter_alike():
    tf = pytest.importorskip("tensorflow")
    gated = gating.add_gates(tiny_resnet(), gate_network="feedforward", tuned_penalty=3)
    images = random_images(4, 8, 8, 3)
    network = gated.get_layer("feedforward_gate")
    with tf.GradientTape() as tape:
        gated(images, training=True)
        loss = tf.add_n(gated.losses)
    # Of the last gates, since the earlier ones act on those behind them, too.
    (gradient,) = tape.gradient(loss, [network.filter_logits[3].bias.value])
    inputs = gated.get_layer("stage1_block1_conv2").input
    inputs = keras.Model(gated.input, inputs)(images, training=True)
    p = np.array(network(inputs, step=3))
    slope = 3 / (8 + 12 + 12 + 12) * np.mean(p * (1 - p), axis=0)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5)
    model = keras.Model(gated.input, list(gate_io.list_gates(gated).values()))
    gates = np.concatenate(model(images, training=True), axis=1)
    np.testing.assert_allclose(loss, 3 * gates.mean(), rtol=1e-6)
    gated(images, training=False)
    assert not gated.losses


@pytest.mark.parametrize("policy", ["random", "all_tuned", "all_frozen"])
def test_gate_network_that_decides_nothing_does_not_train(policy):
    gated = gating.add_gates(tiny_resnet(), gate_policy=policy)
    assert not any("recurrent_gate" in w.path for w in gated.trainable_weights)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gates_do_not_depend_on_the_rest_of_the_batch(options):
    """I5."""
    gated = gating.add_gates(tiny_resnet(), **options)
    images = random_images(5, 8, 8, 3)
    together, alone = gate_values(gated, images), gate_values(gated, images[2:3])
    for name in together:
        # Exact where they are 0 or 1; soft ones sum in another order.
        np.testing.assert_allclose(together[name][2:3], alone[name], atol=1e-6)
    np.testing.assert_allclose(
        gated(images, training=False)[2:3],
        gated(images[2:3], training=False),
        atol=1e-6,
    )


def test_gate_from_leaves_earlier_layers_frozen_and_ungated():
    backbone = tiny_resnet()
    gated = gating.add_gates(backbone, gate_from="stage1")
    assert "stem_conv" not in gate_io.list_gates(gated)
    assert len(gate_io.list_gates(gated)) == 3
    assert isinstance(gated.get_layer("stem_conv"), keras.layers.Conv2D)
    assert not any("stem" in w.path for w in gated.trainable_weights)
    images = random_images(2, 8, 8, 3)
    # Frozen batch norms run in inference mode, so training mode changes nothing there.
    stem = keras.Model(gated.input, gated.get_layer("stem_relu").output)
    reference = keras.Model(backbone.input, backbone.get_layer("stem_relu").output)
    np.testing.assert_allclose(
        stem(images, training=True), reference(images, training=False), atol=1e-6
    )


def test_batch_norm_without_convolution_before_it_has_gates_of_its_own():
    images = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(name="preact_bn")(images)
    x = keras.layers.Conv2D(4, 3, name="conv", activation="relu")(x)
    x = keras.layers.BatchNormalization(name="after_activation_bn")(x)
    gated = gating.add_gates(keras.Model(images, x))
    assert list(gate_io.list_gates(gated)) == [
        "preact_bn",
        "conv",
        "after_activation_bn",
    ]


def test_norm_and_scale_share_the_gates_of_the_layer_right_before_them():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(images)
    x = keras.layers.LayerNormalization(name="conv_norm")(x)
    x = keras.layers.Dense(4, name="dense")(x)
    x = LayerScale(1.0, 4, name="dense_scale")(x)
    x = keras.layers.Dense(4, activation="relu", name="relu_dense")(x)
    x = keras.layers.LayerNormalization(name="own_norm")(x)
    x = LayerScale(1.0, 4, name="own_scale")(x)
    gated = gating.add_gates(randomize(keras.Model(images, x)))
    assert list(gate_io.list_gates(gated)) == [
        "conv",
        "dense",
        "relu_dense",
        "own_norm",
        "own_scale",
    ]


def test_dense_layers_behind_pooling_are_gated():
    """Squeeze-and-excitation by dense layers, and a batch norm on [B, C]."""
    images = keras.Input((8, 8, 4))
    x = keras.layers.GlobalAveragePooling2D()(images)
    x = keras.layers.Dense(2, name="squeeze")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Dense(4, activation="sigmoid", name="excite")(x)
    x = keras.layers.Multiply()([images, keras.layers.Reshape((1, 1, 4))(x)])
    backbone = randomize(keras.Model(images, x))
    gated = gating.add_gates(backbone)
    batch = random_images(5, 8, 8, 4)
    assert list(gate_io.list_gates(gated)) == ["squeeze", "excite"]
    np.testing.assert_allclose(gated(batch), backbone(batch), atol=1e-6)
    assert np.isfinite(gated(batch, training=True)).all()


def test_depthwise_form_of_a_grouped_convolution_is_its_own_convolution():
    images = keras.Input((8, 8, 4))
    conv = keras.layers.Conv2D(8, 3, groups=4, strides=2, name="conv")
    backbone = randomize(keras.Model(images, conv(images)))
    batch = random_images(2, 8, 8, 4)
    # Another order of summation over 9 values.
    np.testing.assert_allclose(
        gating.add_gates(backbone)(batch), backbone(batch), atol=1e-5
    )


def test_stateless_operations_between_layers_are_kept(tmp_path):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, padding="same", name="conv")(images)
    x = keras.ops.tanh(x + 2.0 * images)
    backbone = keras.Model(images, x)
    gated = gating.add_gates(backbone)
    gated.save(tmp_path / "gated.keras")
    loaded = keras.saving.load_model(tmp_path / "gated.keras")
    batch = random_images(2, 8, 8, 3)
    for model in (gated, loaded):
        np.testing.assert_allclose(model(batch), backbone(batch), atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_saved_network_loads_with_equal_outputs(tmp_path, options):
    gated = gating.add_gates(tiny_resnet(), **options)
    gated.save(tmp_path / "gated.keras")
    loaded = keras.saving.load_model(tmp_path / "gated.keras")
    images = random_images(2, 8, 8, 3)
    assert np.array_equal(loaded(images), gated(images))
    assert list(gate_io.list_gates(loaded)) == list(gate_io.list_gates(gated))
    for mine, theirs in zip(gated.weights, loaded.weights, strict=True):
        assert (mine.path, mine.trainable) == (theirs.path, theirs.trainable)


def test_mixed_precision_network_gives_finite_half_precision_features():
    keras.config.set_dtype_policy("mixed_float16")
    gated = gating.add_gates(tiny_resnet())
    outputs = gated(random_images(2, 8, 8, 3), training=True)
    assert outputs.dtype == "float16"
    assert np.isfinite(outputs).all()


LEARNED = [x for x in OPTIONS if x.get("gate_policy", "soft") in LEARNED_POLICIES]


@pytest.mark.parametrize("options", LEARNED, ids=str)
def test_every_gate_parameter_receives_a_gradient_once_the_branches_differ(options):
    """I4, second half; at the start the branches are equal and the gradient is 0."""
    tf = pytest.importorskip("tensorflow")
    gated = gating.add_gates(tiny_resnet(), gate_units=4, **options)
    rng = np.random.default_rng(0)
    for weight in gated.trainable_weights:
        if "tuned_kernel" in weight.path:
            weight.assign_add(rng.normal(0, 0.1, weight.shape))
    weights = [w for w in gated.trainable_weights if "_gate/" in w.path]
    assert weights
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(gated(random_images(4, 8, 8, 3))))
    gradients = tape.gradient(loss, [w.value for w in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.abs(gradient).max() > 0, weight.path


def assert_refused(backbone, message, **options):
    with pytest.raises(errors.RunError, match=message):
        gating.add_gates(backbone, **options)


def test_layer_without_gated_form_is_named():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(images)
    x = keras.layers.PReLU(name="second")(x)
    message = (
        "'second' of type PReLU has weights and no gated form; gated are Conv2D, "
        "DepthwiseConv2D, SeparableConv2D, Dense, BatchNormalization, "
        "LayerNormalization, LayerScale. Set gate_from"
    )
    assert_refused(keras.Model(images, x), message)
    x = keras.layers.Conv2DTranspose(4, 3, name="up")(images)
    assert_refused(keras.Model(images, x), "'up' of type Conv2DTranspose has")


def test_subclass_of_a_convolution_is_not_taken_for_one():
    class Standardized(keras.layers.Conv2D):
        pass

    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, Standardized(4, 3, name="mine")(images))
    assert_refused(
        backbone, "'mine' of type Standardized has weights and no gated form"
    )


@pytest.mark.parametrize(
    ("build", "name", "value"),
    [
        (keras.layers.Conv2D, "kernel_regularizer", "l2"),
        (keras.layers.Conv2D, "bias_constraint", "non_neg"),
        (keras.layers.Conv2D, "activity_regularizer", "l1"),
        (keras.layers.DepthwiseConv2D, "depthwise_constraint", "max_norm"),
    ],
)
def test_regularized_or_constrained_convolution_is_named(build, name, value):
    images = keras.Input((8, 8, 3))
    sizes = (3, 3) if build is keras.layers.Conv2D else (3,)
    x = build(*sizes, name="conv", **{name: value})(images)
    assert_refused(keras.Model(images, x), f"'conv' has a {name}, which its gated")


def test_constrained_batch_norm_is_named():
    images = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(beta_constraint="non_neg", name="bn")(images)
    assert_refused(keras.Model(images, x), "'bn' has a beta_constraint")


def test_layer_norm_over_other_axes_is_named():
    images = keras.Input((8, 8, 3))
    x = keras.layers.LayerNormalization(axis=[1, 2, 3], name="norm")(images)
    assert_refused(keras.Model(images, x), "'norm' works on channels_first or on other")


def test_unknown_start_lists_the_convolutions():
    message = "gate_from='conv9'; no layer .* are stem_conv, stage1_block1_conv1"
    assert_refused(tiny_resnet(), message, gate_from="conv9")


def test_unknown_gate_network_is_named():
    message = "Received gate_network='deep'; allowed are recurrent, feedforward"
    with pytest.raises(errors.UsageError, match=message):
        gating.add_gates(tiny_resnet(), gate_network="deep")


def test_model_that_is_not_functional_is_refused():
    class Subclassed(keras.Model):
        pass

    assert_refused(Subclassed(), "Received a Subclassed as backbone; it must be a func")


def test_convolution_that_a_norm_and_another_layer_read_is_blended_for_both():
    """By gates of 1 both get what fine-tuning alone would give them."""
    layers = keras.layers
    images = keras.Input((4, 4, 3))
    x = layers.Conv2D(5, 3, padding="same", name="conv")(images)
    outputs = layers.Add(name="sum")([x, layers.BatchNormalization(name="norm")(x)])
    plain = randomize(keras.Model(images, outputs))
    gated = gating.add_gates(plain, gate_policy="all_tuned")
    kernel = 1.5 * plain.get_layer("conv").kernel.numpy()
    gated.get_layer("conv").tuned_kernel.assign(kernel)
    plain.get_layer("conv").kernel.assign(kernel)
    pixels = random_images(2, 4, 4, 3)
    np.testing.assert_allclose(gated(pixels), plain(pixels), atol=1e-5)
    assert {"conv_gate", "norm_gate"} <= {layer.name for layer in gated.layers}
