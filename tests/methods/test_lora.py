import keras
import numpy as np

from adafilter_tf.methods import lora
from tests.conftest import compile_sgd, random_images, tiny_resnet, train


def test_change_of_a_kernel_is_the_product_and_nothing_else_changes():
    start = tiny_resnet()
    kernels = {
        layer.name: layer.kernel.numpy()
        for layer in start.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    model = compile_sgd(lora.build(start, 3, lora_rank=2))
    before = {weight.path: weight.numpy() for weight in model.weights}
    train(model)
    changed = {w.path for w in model.weights if not (w.numpy() == before[w.path]).all()}
    assert changed == {path for path in before if "lora" in path or "head" in path}
    for name, kernel in kernels.items():
        layer = model.get_layer(name)
        a, b = layer.lora_kernel_a.numpy(), layer.lora_kernel_b.numpy()
        change = layer.kernel.numpy() - kernel
        np.testing.assert_allclose(change, a @ b, atol=1e-6)
        assert np.linalg.matrix_rank(change.reshape(-1, change.shape[-1]), 1e-4) <= 2


def test_start_is_the_pre_trained_network():
    backbone = tiny_resnet()
    images = random_images(2, 8, 8, 3)
    features = backbone(images).numpy()
    lora.build(backbone, 3)
    assert np.array_equal(backbone(images), features)
