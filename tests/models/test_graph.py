import keras
import pytest

from adafilter_tf.models import graph
from tests.conftest import tiny_resnet


def test_calls_name_the_layers_they_read():
    calls = {call.layer.name: call.inputs for call in graph.list_calls(tiny_resnet())}
    assert calls["stage1_block1_shortcut_conv"] == ("stem_relu",)
    assert calls["stage1_block1_add"] == (
        "stage1_block1_bn2",
        "stage1_block1_shortcut_bn",
    )


@pytest.mark.parametrize(
    ("build", "last", "number"),
    [
        (keras.applications.ResNet50, "conv5_block3", 17),
        (keras.applications.VGG16, "block5", 5),
        (keras.applications.MobileNetV2, "block_16", 17),
        (keras.applications.EfficientNetB0, "block7a", 17),
    ],
)
def test_blocks_of_keras_backbones(build, last, number):
    model = build(include_top=False, weights=None, input_shape=(64, 64, 3))
    blocks = graph.group_blocks(model)
    assert (list(blocks)[-1], len(blocks)) == (last, number)
    assert sum(map(len, blocks.values())) == len(model.layers) - 1  # less the input
