import keras
import numpy as np
import pytest

from adafilter_tf import layers, methods
from adafilter_tf.models import folding, gate_io
from adafilter_tf.models.backbones import resnet14
from adafilter_tf.models.folding import constant_gates, macs
from tests import conftest
from tests.conftest import random_images, tiny_convnext, tiny_resnet
from tests.models.folding import fold_networks
from tests.models.folding.fold_networks import build, images, measure_difference

BACKBONES = (tiny_resnet, tiny_convnext, fold_networks.preactivation_resnet)
OPTIONS = [
    {},
    {"gate_policy": "soft"},
    {"gate_policy": "random"},
    {"gate_noise": 0.3},
    {"gate_network": "feedforward"},
    {"gated_batch_norm": False},
]


def fold_calibrated(model, pixels):
    return folding.fold(model, constant_gates.calibrate(model, [pixels]))


def fold_forced(model, value, names=()):
    """As if all gates but those of some layers were constant."""
    constants = {
        name: np.full(gate.shape[-1], np.nan if name in names else value, "float32")
        for name, gate in gate_io.list_gates(model).items()
    }
    return folding.fold(model, constants)


def without_picks(layer):
    config = layer.get_config()
    if isinstance(layer, layers.FoldedConv2D):
        config["pick_single"] = False
    return type(layer).from_config(config)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_folded_is_unfolded(backbone, options):
    """Exactly for any image, and where the calibration holds."""
    model = build(backbone(), **options)
    exact = folding.fold(model)
    assert measure_difference(exact.model, model, images()) < 1e-5
    calibrated = fold_calibrated(model, images())
    assert measure_difference(calibrated.model, model, images()) < 1e-5
    assert calibrated.dependent_fraction <= exact.dependent_fraction


@pytest.mark.parametrize("method", methods.METHODS)
def test_every_method_folds(method):
    model = build(tiny_resnet(), method)
    folded = fold_calibrated(model, images())
    assert measure_difference(folded.model, model, images()) < 1e-5
    kinds = {type(layer) for layer in folded.model.layers}
    assert not kinds & {
        keras.layers.BatchNormalization,
        layers.GatedBatchNormalization,
        layers.L2SPPenalty,
        layers.BatchSpectralShrinkage,
    }


@pytest.mark.slow
def test_resnet14_folds():
    model = build(resnet14.resnet14((16, 16, 1)))
    pixels = random_images(24, 16, 16, 1)
    exact, calibrated = folding.fold(model), fold_calibrated(model, pixels)
    assert measure_difference(exact.model, model, pixels) < 1e-5
    assert measure_difference(calibrated.model, model, pixels) < 1e-5
    # One image goes another way through the convolutions.
    assert measure_difference(exact.model, model, pixels[:1]) < 1e-5
    assert measure_difference(calibrated.model, model, pixels[:1]) < 1e-5
    assert exact.dependent_fraction == 1 > calibrated.dependent_fraction > 0
    plain = macs.count_macs(fold_forced(model, 1.0).model)
    spent = macs.count_macs(calibrated.model)
    assert spent < macs.count_macs(exact.model)
    assert 1 < spent / plain < 2


@pytest.mark.parametrize("count", [1, 5])
def test_one_image_is_convolved_by_kernels_made_for_it(count):
    model = build(resnet14.resnet14((16, 16, 1)))
    rng = np.random.default_rng(0)
    constants = {
        name: np.where(rng.random(gate.shape[-1]) < 0.3, np.nan, 1.0)
        for name, gate in gate_io.list_gates(model).items()
    }
    folded = folding.fold(model, constants).model
    kinds = [type(layer) for layer in folded.layers]
    assert layers.FoldedConv2D in kinds  # where features are larger than kernels
    assert layers.AddedFilters in kinds
    pixels = random_images(count, 16, 16, 1)
    twice = keras.models.clone_model(folded, clone_function=without_picks)
    twice.set_weights(folded.get_weights())
    np.testing.assert_allclose(
        folded.predict_on_batch(pixels), twice.predict_on_batch(pixels), atol=1e-5
    )


@pytest.mark.parametrize("policy", ["all_tuned", "all_frozen", "random"])
def test_gates_without_the_image_leave_the_plain_network(policy):
    model = build(tiny_resnet(), gate_policy=policy)
    folded = folding.fold(model)
    plain = build(tiny_resnet(), "fine_tuning")
    kinds = {type(layer).__name__ for layer in folded.model.layers}
    assert kinds == {
        *("InputLayer", "Conv2D", "ReLU", "Add", "GlobalAveragePooling2D", "Dense")
    }
    # A bias in the place of each batch norm's four terms a filter.
    assert folded.model.count_params() == folding.fold(plain).model.count_params()
    assert folded.dependent_fraction == 0
    assert folded.kept == ()


def test_a_network_without_image_dependent_gates_is_its_branch():
    """The frozen branch is the backbone, as it was."""
    backbone = tiny_resnet()
    model = build(backbone)
    features = keras.Model(model.input, model.get_layer("stage1_block1_out").output)
    folded = fold_forced(features, 0.0).model
    np.testing.assert_allclose(
        folded.predict_on_batch(images()),
        backbone.predict_on_batch(images()),
        atol=1e-5,
    )


def test_a_bias_that_no_state_outweighs_is_exact():
    folded = folding.fold(build(tiny_resnet(), gate_initial_bias=9.0))
    assert folded.dependent_fraction == 0
    assert folding.fold(build(tiny_resnet())).dependent_fraction == 1


@pytest.mark.parametrize(
    ("network", "steps"), [("recurrent", 3), ("feedforward", 1)], ids=str
)
def test_only_the_steps_that_a_gate_needs_are_left(network, steps):
    """The state is carried to the last layer that depends on the image."""
    model = build(tiny_resnet(), gate_network=network)
    name = list(gate_io.list_gates(model))[2]
    folded = fold_forced(model, 1.0, names=[name])
    left = folded.model.get_layer(f"{network}_gate")
    assert len(left.layer_names) == steps
    assert left.layer_names[-1] == name
    assert folded.num_dependent == {
        of: 12 if of == name else 0 for of in gate_io.list_gates(model)
    }


@pytest.mark.parametrize("options", [{}, {"gate_noise": 0.3}], ids=str)
def test_gates_of_the_folded_network_are_all_there(options):
    model = build(tiny_convnext(), **options)
    folded = fold_calibrated(model, images())
    expected = keras.Model(model.input, gate_io.list_gates(model))
    gates = keras.Model(folded.model.input, folded.gates).predict_on_batch(images())
    assert list(gates) == list(gate_io.list_gates(model))
    for name, value in expected.predict_on_batch(images()).items():
        np.testing.assert_allclose(gates[name], value, atol=1e-6)


@pytest.mark.parametrize("choice", [0.0, 1.0])
def test_a_constant_route_keeps_one_copy_of_its_block(choice):
    model = build(tiny_resnet(), "spottune")
    folded = fold_forced(model, choice)
    names = {layer.name for layer in folded.model.layers}
    assert "policy_network" not in names
    assert ("stage1_block1_conv1" in names) == (choice == 1)
    assert ("stage1_block1_conv1_frozen" in names) == (choice == 0)


def test_what_cannot_be_folded_is_named():
    model = build(fold_networks.preactivation_resnet())
    assert folding.fold(model).kept == ("stage1_block1_bn",)
    assert fold_forced(model, 1.0).kept == ()
    plain = build(fold_networks.preactivation_resnet(), "fine_tuning")
    assert folding.fold(plain).kept == ("stage1_block1_bn",)


def test_the_network_that_was_folded_is_left_as_it_was():
    model = build(tiny_resnet())
    before, weights = model.predict_on_batch(images()), model.get_weights()
    fold_forced(model, 1.0)
    np.testing.assert_array_equal(model.predict_on_batch(images()), before)
    assert all(map(np.array_equal, model.get_weights(), weights))


def test_convolution_that_a_norm_and_another_layer_read_keeps_its_own_outputs():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same", name="conv")(inputs)
    y = keras.layers.BatchNormalization(name="norm")(x)
    outputs = keras.layers.Add(name="sum")([x, y])
    model = build(conftest.randomize(keras.Model(inputs, outputs)))
    folded = fold_calibrated(model, images())
    assert measure_difference(folded.model, model, images()) < 1e-5


def test_dilation_is_kept():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, dilation_rate=2, padding="same", name="conv")(inputs)
    outputs = keras.layers.BatchNormalization(name="norm")(x)
    model = build(conftest.randomize(keras.Model(inputs, outputs)))
    folded = fold_forced(model, 1.0)
    assert folded.model.get_layer("conv").dilation_rate == (2, 2)
    assert measure_difference(folding.fold(model).model, model, images()) < 1e-5
