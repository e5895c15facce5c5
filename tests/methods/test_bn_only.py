import numpy as np

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
