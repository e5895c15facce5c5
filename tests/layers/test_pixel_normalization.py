import keras
import numpy as np

from adafilter_tf import layers


def test_caffe_mode_equals_keras_own_preprocessing():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    layer = layers.PixelNormalization(
        (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), reverse_channels=True
    )
    expected = keras.applications.resnet.preprocess_input(pixels.copy())
    np.testing.assert_allclose(layer(pixels), expected, atol=1e-4)


def test_config_rebuilds_the_layer():
    layer = layers.PixelNormalization((1.0, 2.0), (3.0, 4.0), reverse_channels=True)
    rebuilt = layers.PixelNormalization.from_config(layer.get_config())
    assert rebuilt.get_config() == layer.get_config()
