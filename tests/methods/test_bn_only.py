import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import bn_only
from tests.conftest import compile_sgd, tiny_resnet, train


def test_batch_norms_and_head_train_and_convolutions_do_not():
    model = compile_sgd(bn_only.build(tiny_resnet(), 3))
    before = {weight.path: weight.numpy() for weight in model.weights}
    train(model)
    changed = {w.path for w in model.weights if not (w.numpy() == before[w.path]).all()}
    assert changed == {path for path in before if "_bn" in path or "head" in path}
    names = {weight.path.split("/")[-1] for weight in model.trainable_variables}
    assert names == {"gamma", "beta", "kernel", "bias"}
    assert sum(np.prod(w.shape) for w in model.trainable_variables) == (
        2 * (8 + 12 + 12 + 12) + 12 * 3 + 3
    )


def test_backbone_without_batch_norms_is_refused():
    images = keras.Input((8, 8, 3))
    backbone = keras.Model(images, keras.layers.Conv2D(4, 3)(images), name="plain")
    message = "--method=bn_only for the backbone plain, which has no batch norm; .* res"
    with pytest.raises(errors.UsageError, match=message):
        bn_only.build(backbone, 3)
