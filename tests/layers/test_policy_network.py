import keras
import numpy as np

from adafilter_tf import layers
from tests.conftest import random_images


def test_equals_a_functional_residual_network_of_the_same_weights():
    policy = layers.PolicyNetwork(num_blocks=5, filters=2)
    images = random_images(3, 9, 9, 3)  # odd: the halves are rounded up
    policy(images)
    rng = np.random.default_rng(0)
    for weight in policy.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape))
    pairs = list(zip(policy.convolutions, policy.batch_norms, strict=True))

    def convolve(index, x):
        convolution, batch_norm = pairs[index]
        return batch_norm(convolution(x))

    pool = keras.layers.AveragePooling2D(2, padding="same")
    x = keras.layers.ReLU()(convolve(0, images))
    for block in range(3):
        shortcut = np.pad(pool(x), ((0, 0),) * 3 + ((0, x.shape[-1]),))
        y = keras.layers.ReLU()(convolve(2 * block + 1, x))
        x = keras.layers.ReLU()(shortcut + convolve(2 * block + 2, y))
    assert x.shape == (3, 2, 2, 16)
    dense = policy.choice_logits
    expected = np.mean(x, axis=(1, 2)) @ dense.kernel.numpy() + dense.bias.numpy()
    np.testing.assert_allclose(policy(images), expected.reshape(3, 5, 2), 1e-4)


def test_config_rebuilds_the_layer():
    policy = layers.PolicyNetwork(3, filters=4, synchronized=True)
    rebuilt = layers.PolicyNetwork.from_config(policy.get_config())
    assert rebuilt.get_config() == policy.get_config()


def test_computes_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    logits = layers.PolicyNetwork(3)(random_images(2, 8, 8, 3), training=True)
    assert logits.dtype == "float32"
