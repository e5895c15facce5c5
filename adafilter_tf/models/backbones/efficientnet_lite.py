"""EfficientNet-Lite0: EfficientNet for phones, without swish and squeeze-excitation."""

import keras
from keras import layers

# Stages of Tan and Le (2019, arXiv 1905.11946, table 1), which the Lite variant keeps:
# blocks, kernel size, strides of the first block, expansion, filters.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_FILTERS = 32
_TOP_FILTERS = 1280
# Share of a block's outputs that training drops, from 0 in the first block.
_DROP_CONNECT = 0.2


def efficientnet_lite0(input_tensor: keras.KerasTensor) -> keras.Model:
    """Returns EfficientNet-Lite0 without its top.

    The network of TensorFlow's TPU models (official/efficientnet/lite): EfficientNet-B0
    with ReLU6 in the place of swish and without squeeze-and-excitation, so that it can
    be quantized. Its layers bear the names that Keras gives those of EfficientNet.

    Args:
        input_tensor: Normalized pixels `(pixel - 127) / 128`, float32 [B, H, W, 3].

    Returns:
        An uncompiled functional model with random weights, from the input of
        `input_tensor` to feature maps, float32 [B, H / 32, W / 32, 1280] (halves are
        rounded up at each stage).
    """
    features = _convolution(input_tensor, _STEM_FILTERS, 3, "stem_conv", strides=2)
    features = _norm_and_relu(features, "stem_bn", "stem_activation")
    num_blocks = sum(stage[0] for stage in _STAGES)
    done = 0
    for number, (repeats, *arguments) in enumerate(_STAGES, start=1):
        for repeat in range(repeats):
            features = _block(
                features,
                f"block{number}{chr(ord('a') + repeat)}_",
                *arguments,
                is_first=repeat == 0,
                drop_rate=_DROP_CONNECT * done / num_blocks,
            )
            done += 1
    features = _convolution(features, _TOP_FILTERS, 1, "top_conv")
    features = _norm_and_relu(features, "top_bn", "top_activation")
    (inputs,) = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(inputs, features, name="efficientnetlite0")


def _block(
    inputs, name, kernel_size, strides, expansion, filters, *, is_first, drop_rate
):
    """An inverted residual block: expand, filter each channel, project."""
    features, channels = inputs, inputs.shape[-1]
    if expansion != 1:
        features = _convolution(features, channels * expansion, 1, f"{name}expand_conv")
        features = _norm_and_relu(
            features, f"{name}expand_bn", f"{name}expand_activation"
        )
    features = layers.DepthwiseConv2D(
        kernel_size,
        strides=strides if is_first else 1,
        padding="same",
        use_bias=False,
        name=f"{name}dwconv",
    )(features)
    features = _norm_and_relu(features, f"{name}bn", f"{name}activation")
    features = _convolution(features, filters, 1, f"{name}project_conv")
    features = layers.BatchNormalization(name=f"{name}project_bn")(features)
    if is_first:
        return features
    features = layers.Dropout(
        drop_rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop"
    )(features)
    return layers.Add(name=f"{name}add")([features, inputs])


def _convolution(inputs, filters, kernel_size, name, strides=1):
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(inputs)


def _norm_and_relu(inputs, norm_name, activation_name):
    # Keras' defaults, momentum 0.99 and epsilon 0.001, are those of the source.
    features = layers.BatchNormalization(name=norm_name)(inputs)
    return layers.ReLU(max_value=6.0, name=activation_name)(features)
