import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.layers import PixelNormalization
from adafilter_tf.models import graph
from adafilter_tf.models.backbones import adaptation
from tests.conftest import random_images, tiny_resnet

layers = keras.layers


def classifier(head, *, squeeze=False):
    """The tiny residual network, optionally with squeeze-and-excitation, and a head."""
    backbone = tiny_resnet()
    x = backbone.output
    if squeeze:
        s = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
        s = layers.Conv2D(12, 1, activation="sigmoid", name="excite")(s)
        x = layers.Multiply(name="scaled")([x, s])
    return keras.Model(backbone.input, head(x), name="mine")


def pooled(x):
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return layers.Dense(5, name="logits")(layers.Dropout(0.1)(x))


def pooled_as_maps(x):
    """As MobileNetV3: 1x1 convolutions on pooled maps."""
    x = layers.GlobalMaxPooling2D(keepdims=True)(x)
    return layers.Flatten()(layers.Conv2D(5, 1, name="logits")(x))


def flattened(x):
    return layers.Dense(5, name="logits")(layers.Flatten()(x))


@pytest.mark.parametrize("head", [pooled, pooled_as_maps, flattened])
@pytest.mark.parametrize("squeeze", [False, True])
def test_head_is_cut_off_a_classifier(head, squeeze):
    network = adaptation.cut_head(classifier(head, squeeze=squeeze))
    last = "scaled" if squeeze else "stage1_block1_out"
    assert network.output.shape == (None, 4, 4, 12)
    assert graph.list_calls(network)[-1].layer.name == last


def test_network_without_head_is_taken_whole():
    backbone = tiny_resnet()
    network = adaptation.cut_head(backbone)
    images = random_images(2, 8, 8, 3)
    assert np.array_equal(network(images), backbone(images))


def test_named_layer_gives_the_features():
    network = adaptation.cut_head(classifier(pooled), "stage1_block1_relu1")
    assert graph.list_calls(network)[-1].layer.name == "stage1_block1_relu1"


def test_unknown_layer_is_refused_with_the_last_ones():
    message = "--features_layer=top; .*'mine' has no such layer. Its last .* pool, .*"
    with pytest.raises(errors.RunError, match=message + "logits"):
        adaptation.cut_head(classifier(pooled), "top")


def test_head_that_reads_two_places_needs_a_named_layer():
    backbone = tiny_resnet()
    pools = [
        layers.GlobalAveragePooling2D()(backbone.get_layer(name).output)
        for name in ("stem_relu", "stage1_block1_out")
    ]
    model = keras.Model(backbone.input, layers.Concatenate()(pools), name="two")
    # Everything behind the stem goes through the stem.
    network = adaptation.cut_head(model)
    assert graph.list_calls(network)[-1].layer.name == "stem_relu"


@pytest.mark.parametrize(
    ("pixel_range", "at_0_and_255"),
    [("0..1", (0, 1)), ("-1..1", (-1, 1)), ("0..255", (0, 255))],
)
def test_pixels_enter_in_the_range_of_the_training(pixel_range, at_0_and_255):
    chosen = adaptation.choose_normalization(tiny_resnet(), pixel_range, 1)
    if chosen is None:
        assert at_0_and_255 == (0, 255)
        return
    mean, deviation = chosen["mean"], chosen["standard_deviation"]
    actual = [(pixel - mean[0]) / deviation[0] for pixel in (0, 255)]
    np.testing.assert_allclose(actual, at_0_and_255)
    assert len(mean) == len(deviation) == 1


def test_imagenet_range_is_kerass():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    for name, mode in (("imagenet", "torch"), ("caffe", "caffe")):
        chosen = adaptation.choose_normalization(tiny_resnet(), name, 3)
        images = keras.Input((4, 4, 3))
        actual = keras.Model(images, PixelNormalization(**chosen)(images))(pixels)
        expected = keras.applications.imagenet_utils.preprocess_input(
            pixels.copy(), mode=mode
        )
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_network_that_normalizes_needs_no_range():
    images = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255)(images)
    network = keras.Model(images, layers.Conv2D(4, 3)(x))
    assert adaptation.choose_normalization(network, "auto", 3) is None


def test_network_that_does_not_normalize_needs_a_range():
    with pytest.raises(errors.UsageError, match="with --pixel_range: 0..255, 0..1"):
        adaptation.choose_normalization(tiny_resnet(), "auto", 3)


def test_range_of_three_channels_is_refused_for_grey_images():
    with pytest.raises(errors.UsageError, match="=imagenet, which is for 3 channels"):
        adaptation.choose_normalization(tiny_resnet(channels=1), "imagenet", 1)


def test_network_of_another_size_keeps_its_weights():
    network = tiny_resnet(size=8)
    larger = adaptation.put_behind(network, keras.Input((16, 16, 3)))
    assert larger.output.shape == (None, 8, 8, 12)
    images = random_images(2, 8, 8, 3)
    same = adaptation.put_behind(network, keras.Input((8, 8, 3)))
    assert np.array_equal(same(images), network(images))
    kernel = larger.get_layer("stem_conv").kernel
    assert np.array_equal(kernel, network.get_layer("stem_conv").kernel)


def test_weights_can_be_drawn_anew():
    network = tiny_resnet()
    images = keras.Input((8, 8, 3))
    random = adaptation.put_behind(network, images, keep_weights=False)
    kernels = [m.get_layer("stem_conv").kernel for m in (network, random)]
    assert not np.array_equal(*kernels)


def test_layer_that_fits_one_size_alone_is_refused():
    images = keras.Input((8, 8, 3))
    network = keras.Model(images, flattened(images), name="mine")
    message = r"'logits' of the network 'mine' has weights for .*\(8, 8\).*\(16, 16\)"
    with pytest.raises(errors.RunError, match=message):
        adaptation.put_behind(network, keras.Input((16, 16, 3)))
