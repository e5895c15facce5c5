import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import fine_tuning
from tests.conftest import compile_sgd, tiny_resnet, train


@pytest.mark.parametrize(
    ("tune_blocks", "changed"),
    [
        ("all", {"stem", "stage1", "head"}),
        ("1", {"stage1", "head"}),
        ("none", {"head"}),
    ],
)
def test_only_the_chosen_blocks_change(tune_blocks, changed):
    """Moving statistics count as a change: a frozen block is frozen whole."""
    model = compile_sgd(fine_tuning.build(tiny_resnet(), 3, tune_blocks=tune_blocks))
    before = {w.path: w.numpy() for w in model.weights}
    train(model)
    found = {
        w.path.split("_")[0].split("/")[0]
        for w in model.weights
        if not np.array_equal(w.numpy(), before[w.path])
    }
    assert found == changed


def test_blocks_may_end_in_operations_that_are_no_layers():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="stem")(images)
    for name in ("first", "second"):
        x = x + keras.layers.Conv2D(4, 1, name=name)(x)
    model = fine_tuning.build(keras.Model(images, x), 3, tune_blocks="1")
    assert [w.path for w in model.trainable_weights] == [
        "second/kernel",
        "second/bias",
        "head/kernel",
        "head/bias",
    ]


def test_network_without_blocks_is_tuned_whole_or_not_at_all():
    images = keras.Input((8, 8, 3))
    plain = keras.Model(images, keras.layers.Conv2D(4, 3)(images))
    with pytest.raises(errors.UsageError, match="--tune_blocks=1 .* no blocks"):
        fine_tuning.build(plain, 3, tune_blocks="1")


@pytest.mark.parametrize("tune_blocks", ["3", "0", "some"])
def test_impossible_number_of_blocks_is_refused(tune_blocks):
    message = f"--tune_blocks={tune_blocks}; allowed are all, none, .* 1 to 2: stem, st"
    with pytest.raises(errors.UsageError, match=message):
        fine_tuning.build(tiny_resnet(), 3, tune_blocks=tune_blocks)
