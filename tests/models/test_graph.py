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


def test_inner_branches_end_no_block():
    """Two blocks of two branches each; in the first, one branch branches again."""
    layers = keras.layers
    images = keras.Input((8, 8, 3))
    stem = layers.Conv2D(4, 3, name="stem")(images)
    left = layers.Conv2D(4, 1, name="left")(stem)
    left = layers.Add(name="inner")([left, layers.ReLU(name="relu")(left)])
    x = layers.Concatenate(name="first")([left, layers.Conv2D(4, 1)(stem)])
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Add(name="second")([x, layers.ReLU()(x)])
    blocks = graph.group_blocks(keras.Model(images, x))
    assert [names[-1] for names in blocks.values()] == ["stem", "first", "second"]
    assert blocks["block2"][0] == "pool"


def test_cells_that_read_past_each_other_are_no_blocks():
    layers = keras.layers
    images = keras.Input((8, 8, 3))
    before, x = layers.Conv2D(4, 3)(images), layers.Conv2D(4, 3)(images)
    for _ in range(3):
        before, x = x, layers.Add()([before, x])
    model = keras.Model(images, layers.Concatenate()([before, x]))
    assert list(graph.group_blocks(model)) == ["stem"]


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
