"""One door to every backbone: what it reads and where its weights come from."""

import dataclasses
import math
from collections.abc import Callable

import keras
from keras.src.applications import efficientnet

from adafilter_tf import errors, layers
from adafilter_tf.models import inlining
from adafilter_tf.models.backbones import (
    custom,
    efficientnet_lite,
    pretrained_weights,
    resnet14,
)

# What the networks of keras.applications were trained on: keras.src.applications,
# imagenet_utils.preprocess_input, modes "caffe", "tf" and "torch".
_CAFFE = {
    "mean": (103.939, 116.779, 123.68),
    "standard_deviation": (1.0, 1.0, 1.0),
    "reverse_channels": True,
}
_PLUS_MINUS_ONE = {"mean": (127.5,) * 3, "standard_deviation": (127.5,) * 3}
_IMAGENET = {
    "mean": (123.675, 116.28, 103.53),
    "standard_deviation": (58.395, 57.12, 57.375),
}


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """A row of the table of backbones.

    Attributes:
        build: Function (weights, input_tensor) -> functional model without top, with
            random weights for None and `pretrained_weights.FILE`; the latter are then
            read from a file of pre-trained ones.
        normalization: Arguments of `PixelNormalization`; None when the network
            normalizes pixels itself.
        channels: 3 for RGB, 1 for grey images.
        image_size: Usual height and width, in pixels.
        min_image_size: Smallest height and width, in pixels.
        bundled_weights: File in `weights/` with the pre-trained weights.
        imported_weights: Pre-trained weights that `adafilter import-weights` fetches.
            With neither, Keras downloads them from its ImageNet collection.
    """

    build: Callable[..., keras.Model]
    normalization: dict | None
    channels: int = 3
    image_size: int = 224
    min_image_size: int = 32
    bundled_weights: str | None = None
    imported_weights: pretrained_weights.ImportedWeights | None = None


def _application(
    name: str,
    normalization: dict | None,
    image_size: int = 224,
    min_image_size: int = 32,
) -> BackboneSpec:
    def without_top(weights, input_tensor):
        build = getattr(keras.applications, name)
        weights = None if weights == pretrained_weights.FILE else weights
        return build(include_top=False, weights=weights, input_tensor=input_tensor)

    return BackboneSpec(
        without_top,
        normalization,
        image_size=image_size,
        min_image_size=min_image_size,
    )


def _efficientnet(name: str, image_size: int = 224) -> BackboneSpec:
    """An EfficientNet of version 1, which Keras builds otherwise for its weights."""

    def without_top(weights, input_tensor):
        build = getattr(keras.applications, name)
        if weights != pretrained_weights.FILE:
            return build(include_top=False, weights=weights, input_tensor=input_tensor)
        model = build(include_top=False, weights=None, input_tensor=input_tensor)
        return keras.models.clone_model(
            model, input_tensors=[input_tensor], call_function=_call_and_rescale
        )

    return BackboneSpec(without_top, None, image_size=image_size)


def _call_and_rescale(layer, *args, **kwargs):
    """Divides by the deviations' root after the normalization, as for "imagenet"."""
    outputs = layer(*args, **kwargs)
    if isinstance(layer, keras.layers.Normalization):
        factors = [1 / math.sqrt(each) for each in efficientnet.IMAGENET_STDDEV_RGB]
        outputs = keras.layers.Rescaling(factors, name="imagenet_rescaling")(outputs)
    return outputs


def _resnet14(bundled_weights: str, channels: int = 1) -> BackboneSpec:
    return BackboneSpec(
        lambda weights, input_tensor: resnet14.resnet14(input_tensor=input_tensor),
        normalization={
            "mean": (resnet14.PIXEL_MEAN,) * channels,
            "standard_deviation": (resnet14.PIXEL_STD,) * channels,
        },
        channels=channels,
        image_size=32,
        min_image_size=16,
        bundled_weights=bundled_weights,
    )


BACKBONES = {
    "resnet14": _resnet14("resnet14_fashion_mnist.weights.h5"),
    "resnet14_half": _resnet14("resnet14_fashion_mnist_half.weights.h5"),
    "resnet14_rgb": _resnet14("resnet14_rgb_emoji_openclipart.weights.h5", channels=3),
    "resnet50": _application("ResNet50", _CAFFE),
    "resnet101": _application("ResNet101", _CAFFE),
    "resnet152": _application("ResNet152", _CAFFE),
    "resnet50v2": _application("ResNet50V2", _PLUS_MINUS_ONE),
    "resnet101v2": _application("ResNet101V2", _PLUS_MINUS_ONE),
    "resnet152v2": _application("ResNet152V2", _PLUS_MINUS_ONE),
    "vgg16": _application("VGG16", _CAFFE),
    "vgg19": _application("VGG19", _CAFFE),
    "densenet121": _application("DenseNet121", _IMAGENET),
    "densenet169": _application("DenseNet169", _IMAGENET),
    "densenet201": _application("DenseNet201", _IMAGENET),
    "inceptionv3": _application("InceptionV3", _PLUS_MINUS_ONE, 299, 75),
    "inceptionresnetv2": _application("InceptionResNetV2", _PLUS_MINUS_ONE, 299, 75),
    "xception": _application("Xception", _PLUS_MINUS_ONE, 299, 71),
    "mobilenet": _application("MobileNet", _PLUS_MINUS_ONE),
    "mobilenetv2": _application("MobileNetV2", _PLUS_MINUS_ONE),
    "mobilenetv3small": _application("MobileNetV3Small", None),
    "mobilenetv3large": _application("MobileNetV3Large", None),
    "efficientnetb0": _efficientnet("EfficientNetB0"),
    "efficientnetb2": _efficientnet("EfficientNetB2", 260),
    "efficientnetb4": _efficientnet("EfficientNetB4", 380),
    "efficientnetlite0": BackboneSpec(
        lambda weights, input_tensor: efficientnet_lite.efficientnet_lite0(
            input_tensor
        ),
        # MEAN_RGB and STDDEV_RGB of tensorflow/tpu, efficientnet_lite_builder.py.
        {"mean": (127.0,) * 3, "standard_deviation": (128.0,) * 3},
        imported_weights=pretrained_weights.ImportedWeights(
            "efficientnetlite0_imagenet_notop.weights.h5",
            "c0bee34e755e1058b86ce5bfa5da52d460e7423c4c44248b41979f923791ab61",
            "adafilter import-weights efficientnetlite0",
        ),
    ),
    "efficientnetv2b0": _application("EfficientNetV2B0", None),
    "efficientnetv2b3": _application("EfficientNetV2B3", None, 300),
    "efficientnetv2s": _application("EfficientNetV2S", None, 384),
    "efficientnetv2m": _application("EfficientNetV2M", None, 480),
    "convnexttiny": _application("ConvNeXtTiny", None),
    "convnextsmall": _application("ConvNeXtSmall", None),
    "convnextbase": _application("ConvNeXtBase", None),
    "nasnetmobile": _application("NASNetMobile", _PLUS_MINUS_ONE),
    "nasnetlarge": _application("NASNetLarge", _PLUS_MINUS_ONE, 331),
}


def build_backbone(
    name: str,
    *,
    image_size: int,
    weights: str = "pretrained",
    synchronized: bool = False,
    pixel_range: str = "auto",
    features_layer: str | None = None,
) -> keras.Model:
    """Builds a backbone that reads pixels 0..255 and has its weights.

    Args:
        name: A key of `BACKBONES`, the path of a `.keras` file, or `hub:` and a preset.
        image_size: Height and width of the input, in pixels.
        weights: "pretrained" (the bundled or imported file, or Keras' ImageNet
            weights), "random", or the path of a weights file (`.weights.h5`, or a Keras
            application's own `_notop.h5`).
        synchronized: Whether batch norms in training share their statistics over the
            replicas of a `tf.distribute` strategy.
        pixel_range: Of a user's network, see `source_network.choose_normalization`.
        features_layer: Of a user's network, see `source_network.cut_head`.

    Returns:
        A functional model of float32 pixels [B, image_size, image_size, channels] to
        feature maps [B, H, W, C].

    Raises:
        UsageError: When the name, the image size or an option is not possible.
        RunError: When the weights or the user's network cannot be had.
    """
    spec = get_spec(name)
    if custom.is_own(name):
        backbone = custom.build(
            name,
            image_size=image_size,
            channels=spec.channels,
            weights=weights,
            pixel_range=pixel_range,
            features_layer=features_layer,
        )
        return _synchronize(backbone, synchronized)
    if pixel_range != "auto" or features_layer is not None:
        raise errors.UsageError(
            f"Received --pixel_range or --features_layer with --backbone={name}; they "
            "are for a network of your own, --backbone=PATH.keras or hub:PRESET. "
            "Remove them."
        )
    if image_size < spec.min_image_size:
        raise errors.UsageError(
            f"Received image_size={image_size}; {name} needs at least "
            f"{spec.min_image_size} pixels. Set --image_size={spec.min_image_size} or "
            "more."
        )
    pixels = keras.Input((image_size, image_size, spec.channels), name="images")
    inputs = pixels
    if spec.normalization is not None:
        inputs = layers.PixelNormalization(
            **spec.normalization, dtype="float32", name="pixel_normalization"
        )(pixels)
    backbone = pretrained_weights.load(
        name,
        spec.build,
        inputs,
        weights=weights,
        bundled=spec.bundled_weights,
        imported=spec.imported_weights,
    )
    # ConvNeXt has models inside; every method is to see their layers.
    flat = inlining.inline_models(keras.Model(pixels, backbone.outputs[0], name=name))
    return _synchronize(flat, synchronized)


def _synchronize(backbone: keras.Model, synchronized: bool) -> keras.Model:
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = synchronized
    return backbone


def get_spec(name: str) -> BackboneSpec:
    """Returns the row of a backbone; of a user's network, what it says of its images.

    Raises:
        UsageError: When there is none of that name.
        RunError: When there is no such network of the user's, or none of images.
    """
    if custom.is_own(name):
        image_size, channels = custom.read_images(name)
        return BackboneSpec(custom.build, None, channels, image_size, min_image_size=1)
    if name not in BACKBONES:
        raise errors.UsageError(
            f"Received --backbone={name}; allowed are the path of a .keras file, "
            f"hub:PRESET of KerasHub and {', '.join(BACKBONES)}."
        )
    return BACKBONES[name]
