import numpy as np

from adafilter_tf.methods import fine_tuning, spottune
from tests.conftest import compile_sgd, random_images, tiny_resnet, train
from tests.models.test_routing import force


def test_all_blocks_tuned_is_standard_fine_tuning_step_by_step():
    backbone = tiny_resnet()
    routed = compile_sgd(spottune.build(backbone, 3))
    force(routed, 1)
    plain = compile_sgd(fine_tuning.build(backbone, 3))
    kernel = np.random.default_rng(0).normal(size=(12, 3))
    for model in (routed, plain):
        model.get_layer("head").kernel.assign(kernel)
    losses = train(plain)
    np.testing.assert_allclose(train(routed), losses, atol=1e-4)
    assert losses[-1] < 0.8 * losses[0]  # it did train
    images = random_images(4, 8, 8, 3, seed=1)
    np.testing.assert_allclose(routed(images), plain(images), atol=1e-3)


def test_frozen_copy_never_changes_by_a_bit_and_the_policy_does():
    model = compile_sgd(spottune.build(tiny_resnet(), 3))
    before = {w.path: w.numpy() for w in model.weights}
    train(model)
    frozen = [w for w in model.weights if "_frozen/" in w.path]
    assert len(frozen) == 3 * 2 + 3 * 4
    for weight in frozen:
        assert np.array_equal(weight.numpy(), before[weight.path]), weight.path
    for weight in model.trainable_weights:
        if weight.path.startswith("policy_network/"):
            assert not np.array_equal(weight.numpy(), before[weight.path]), weight.path


def test_frozen_blocks_give_no_gradient_to_the_tuned_copy():
    model = compile_sgd(spottune.build(tiny_resnet(), 3))
    force(model, 0)
    kernel = model.get_layer("stage1_block1_conv1").kernel
    before = kernel.numpy()
    train(model, steps=1)
    decay = 1 - 0.05 * 1e-3  # the first step's rate and the weight decay
    np.testing.assert_allclose(kernel.numpy(), before * decay, atol=1e-7)
