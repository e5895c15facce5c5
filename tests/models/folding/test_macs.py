import keras
import pytest

from adafilter_tf.models import folding
from adafilter_tf.models.folding import macs
from tests.conftest import tiny_resnet
from tests.models.folding.fold_networks import build


def plain_network():
    layers = keras.layers
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 3, strides=2, padding="same")(inputs)  # 16 * 9 * 4 * 6
    x = layers.DepthwiseConv2D(3, padding="same")(x)  # 16 * 9 * 6
    x = layers.SeparableConv2D(5, 3)(x)  # 4 * (9 * 6 + 6 * 5)
    x = layers.Dense(7)(x)  # 4 * 5 * 7
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x))  # 7 * 2


def test_plain_layers_by_hand():
    expected = 16 * 9 * 4 * 6 + 16 * 9 * 6 + 4 * (9 * 6 + 6 * 5) + 4 * 5 * 7 + 7 * 2
    assert macs.count_macs(plain_network()) == expected


def test_gated_layers_count_twice_and_the_gates_besides():
    plain = macs.count_macs(build(tiny_resnet(), "fine_tuning"))
    head = 12 * 3
    # For each layer P, the LSTM's two products of 4 by 16, and Q.
    channels, filters = (3, 8, 8, 12), (8, 12, 12, 12)
    gates = sum(
        4 * c + 2 * 4 * 16 + 4 * n for c, n in zip(channels, filters, strict=True)
    )
    gated = macs.count_macs(build(tiny_resnet()))
    assert gated == 2 * (plain - head) + head + gates


def test_resnet50_has_its_published_cost():
    """He et al. 2015, table 1: 3.8 billion."""
    backbone = keras.applications.ResNet50(weights=None)
    assert macs.count_macs(backbone) == pytest.approx(3.86e9, rel=0.01)


def test_folding_does_not_change_what_a_plain_network_costs():
    model = build(tiny_resnet(), "fine_tuning")
    folded = folding.fold(model).model
    assert macs.count_macs(folded) == macs.count_macs(model)
