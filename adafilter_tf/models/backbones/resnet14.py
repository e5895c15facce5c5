"""ResNet14: the small backbone whose pre-trained weights come with the package."""

import keras
from keras import layers

# Pixels 0..255 enter as (pixel - PIXEL_MEAN) / PIXEL_STD, that is -2..2. The values are
# the middle and a quarter of the range instead of one data set's statistics, so that
# they suit a target task as well as the source task.
PIXEL_MEAN = 127.5
PIXEL_STD = 63.75

_STAGE_FILTERS = (32, 64, 128)
_BLOCKS_PER_STAGE = 2

# Keras' default of 0.99 needs hundreds of steps to leave the initial statistics; a
# fine-tuning run on few images may have a hundred in all. With 0.9, twenty-two steps
# replace 90 % of the old statistics.
_BATCH_NORM_MOMENTUM = 0.9


def resnet14(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    name: str = "resnet14",
    input_tensor: keras.KerasTensor | None = None,
) -> keras.Model:
    """Returns a residual network of 13 convolutions of 3x3, without pooling and head.

    Basic blocks (He et al., 2015, arXiv 1512.03385, section 4.2): a stem at full
    resolution, then three stages of two blocks with 32, 64 and 128 filters. Unlike the
    paper's CIFAR network, stage 1 already halves the resolution: an image of 32x32
    costs 27 million multiply-adds instead of 105 million. With the head of its source
    task the longest path has 14 layers with weights, hence the name.

    Args:
        input_shape: Height, width and channels of the images.
        name: Name of the model.
        input_tensor: Normalised pixels, the output of other layers; then the model
            begins at their input, and `input_shape` is not used.

    Returns:
        An uncompiled functional model with random weights, from normalised pixels,
        float32 `[B, H, W, C]`, to the last feature map, float32
        `[B, H / 8, W / 8, 128]` (halves are rounded up at each stage).
    """
    if input_tensor is None:
        images = inputs = keras.Input(input_shape, name="images")
    else:
        images, inputs = input_tensor, keras.utils.get_source_inputs(input_tensor)
    features = _convolution_and_norm(images, 32, name="stem_{}")
    features = layers.ReLU(name="stem_relu")(features)
    for stage, filters in enumerate(_STAGE_FILTERS, start=1):
        for block in range(1, _BLOCKS_PER_STAGE + 1):
            features = _basic_block(
                features,
                filters,
                strides=2 if block == 1 else 1,
                name=f"stage{stage}_block{block}",
            )
    return keras.Model(inputs, features, name=name)


def _basic_block(inputs, filters, *, strides, name):
    """Two convolutions of 3x3 beside a shortcut.

    `[B, H, W, C]` -> `[B, H / strides, W / strides, filters]`.
    """
    features = _convolution_and_norm(
        inputs, filters, strides=strides, name=name + "_{}1"
    )
    features = layers.ReLU(name=f"{name}_relu1")(features)
    features = _convolution_and_norm(features, filters, name=name + "_{}2")
    shortcut = inputs
    if strides != 1 or inputs.shape[-1] != filters:
        shortcut = _convolution_and_norm(
            inputs,
            filters,
            kernel_size=1,
            strides=strides,
            name=name + "_shortcut_{}",
        )
    features = layers.Add(name=f"{name}_add")([shortcut, features])
    return layers.ReLU(name=f"{name}_out")(features)


def _convolution_and_norm(inputs, filters, *, name, kernel_size=3, strides=1):
    """Convolution without bias, then batch norm, whose offset takes the bias' place.

    `name` has a `{}` where "conv" and "bn" go.
    """
    features = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name.format("conv"),
    )(inputs)
    return layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM, name=name.format("bn")
    )(features)
