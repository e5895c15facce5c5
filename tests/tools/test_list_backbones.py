import pathlib

import keras
import pytest

from adafilter_tf.models import backbones, gating
from tests.conftest import tiny_resnet
from tools import list_backbones

DOCUMENT = pathlib.Path(list_backbones.__file__).parents[1] / "docs/backbones.md"


def test_gated_network_has_the_parameters_and_gates_that_the_row_says():
    backbone = tiny_resnet()
    row = list_backbones.describe(backbone, gate_units=5)
    gated = gating.add_gates(backbone, gate_units=5)
    assert row.parameters == backbone.count_params()
    assert row.gated_parameters == gated.count_params()
    assert (row.filter_layers, row.channel_layers, row.own_gates) == (4, 4, 0)
    assert row.gates == 8 + 3 * 12


def test_multiply_adds_by_hand():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(images)  # 4x4
    x = keras.layers.SeparableConv2D(6, 3, padding="same")(x)
    x = keras.layers.DepthwiseConv2D(2)(x)  # 3x3
    x = keras.layers.Dense(5)(x)
    row = list_backbones.describe(keras.Model(images, x), gate_units=2)
    by_hand = 16 * 27 * 4 + 16 * (9 * 4 + 4 * 6) + 9 * 4 * 6 + 9 * 6 * 5
    assert row.multiply_adds == by_hand
    gates = 2 * (3 + 4 + 6 + 6) + 4 * (4 * 2 * 4) + 2 * (4 + 6 + 6 + 5)
    assert row.gated_multiply_adds == 2 * by_hand + gates


@pytest.mark.parametrize("name", ["resnet14", "mobilenetv3small"])
def test_documented_row_is_current(name):
    size = backbones.get_spec(name).image_size
    backbone = backbones.build_backbone(name, image_size=size, weights="random")
    row = list_backbones.format_row(name, size, list_backbones.describe(backbone))
    assert row in DOCUMENT.read_text("utf-8").splitlines()


def test_document_lists_every_backbone():
    text = DOCUMENT.read_text("utf-8")
    assert [name for name in backbones.BACKBONES if f"| `{name}` |" not in text] == []
