import keras
import numpy as np
import pytest

from adafilter_tf.models import gate_io
from adafilter_tf.models.folding import constant_gates
from tests.conftest import tiny_resnet
from tests.models.folding.fold_networks import build, images


def gate_values(model, pixels):
    gates = keras.Model(model.input, gate_io.list_gates(model))
    return gates.predict_on_batch(pixels)


def test_calibration_over_batches_is_that_over_all_images():
    model = build(tiny_resnet())
    values = gate_values(model, images())
    constants = constant_gates.calibrate(model, np.split(images(), [5, 9]))
    for name, value in values.items():
        same = (value == value[:1]).all(axis=0)
        np.testing.assert_array_equal(
            constants[name], np.where(same, value[0], np.nan), err_msg=name
        )
    assert any(np.isnan(value).any() for value in constants.values())


def test_calibration_without_images_is_refused():
    with pytest.raises(ValueError, match="at least one batch"):
        constant_gates.calibrate(build(tiny_resnet()), [])


@pytest.mark.parametrize("network", ["recurrent", "feedforward"])
@pytest.mark.parametrize("bias", [-1.5, -0.7, 0.0, 1.5])
def test_no_image_changes_a_gate_that_was_proven_constant(network, bias):
    model = build(tiny_resnet(), gate_network=network, gate_initial_bias=bias)
    constants = constant_gates.find_constants(model)
    for scale in (0.1, 1.0, 1000.0):
        for name, value in gate_values(model, scale * images()).items():
            proven = ~np.isnan(constants[name])
            expected = np.broadcast_to(constants[name][proven], value[:, proven].shape)
            np.testing.assert_array_equal(value[:, proven], expected)
    proven = np.concatenate([~np.isnan(each) for each in constants.values()])
    assert proven.any() == (bias != 0)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"gate_policy": "all_tuned"}, 1.0),
        ({"gate_policy": "all_frozen"}, 0.0),
        ({"gate_policy": "random"}, 0.5),
        ({"gate_noise": 1.0}, 0.5),
    ],
    ids=str,
)
def test_forced_gates_are_constant(options, value):
    model = build(tiny_resnet(), **options)
    for constants in constant_gates.find_constants(model).values():
        np.testing.assert_array_equal(constants, value)


def test_soft_gates_are_never_proven():
    model = build(tiny_resnet(), gate_policy="soft", gate_initial_bias=9.0)
    assert np.isnan(constant_gates.find_constants(model)["stem_conv"]).all()
