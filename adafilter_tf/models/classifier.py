"""The head that turns a backbone's features into logits."""

import keras


def add_head(backbone: keras.Model, num_classes: int) -> keras.Model:
    """Puts global average pooling and a dense layer named "head" on a backbone.

    Args:
        backbone: Functional model with output [B, H, W, C] or [B, C].
        num_classes: K.

    Returns:
        A functional model of the backbone's input to float32 logits [B, K].
    """
    features = backbone.output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="head_pool")(features)
    # float32 under every dtype policy: the loss needs the digits of the logits.
    logits = keras.layers.Dense(num_classes, dtype="float32", name="head")(features)
    return keras.Model(backbone.input, logits, name=f"{backbone.name}_classifier")
