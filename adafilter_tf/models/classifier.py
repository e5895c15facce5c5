"""The head that turns a backbone's features into logits."""

import keras


def add_head(
    backbone: keras.Model,
    num_classes: int,
    *,
    kernel_regularizer: keras.Regularizer | None = None,
) -> keras.Model:
    """Puts global average pooling and a dense layer named "head" on a backbone.

    Args:
        backbone: Functional model with output [B, H, W, C] or [B, C].
        num_classes: K.
        kernel_regularizer: Of the dense layer.

    Returns:
        A functional model of the backbone's input to float32 logits [B, K].

    Example:
        >>> model = add_head(backbone, num_classes=5)
        >>> model.output_shape
        (None, 5)
    """
    features = backbone.output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="head_pool")(features)
    # float32 under every dtype policy: the loss needs the digits of the logits.
    logits = keras.layers.Dense(
        num_classes,
        kernel_regularizer=kernel_regularizer,
        dtype="float32",
        name="head",
    )(features)
    (images,) = backbone.inputs
    return keras.Model(images, logits, name=f"{backbone.name}_classifier")


def initialize_head(model: keras.Model, seed: int) -> None:
    """Gives the head the kernel that belongs to a seed, whatever was built before it.

    Methods draw different numbers of random weights before the head; with this their
    runs of one seed start from the same function and can be compared in pairs.

    Args:
        model: Made by `add_head`.
        seed: Of the kernel (Glorot uniform, Keras' default).
    """
    kernel = model.get_layer("head").kernel
    kernel.assign(keras.initializers.GlorotUniform(seed)(kernel.shape))
