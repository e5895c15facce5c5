"""Every method in someone's own `model.fit`, on the backend that KERAS_BACKEND names.

Run by tests/test_library.py in a process of its own, since a process has one backend.
"""

import json

import keras
import numpy as np

import adafilter_tf

IMAGES = np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")
LABELS = np.arange(8) % 3


def build_backbone() -> keras.Model:
    """A stem and one residual block with a projection shortcut, random weights."""
    layers = keras.layers
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem_conv")(images)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = stem = layers.ReLU(name="stem_relu")(x)
    x = layers.Conv2D(12, 3, strides=2, padding="same", name="stage1_block1_conv")(x)
    x = layers.BatchNormalization(name="stage1_block1_bn")(x)
    y = layers.Conv2D(12, 1, strides=2, name="stage1_block1_shortcut_conv")(stem)
    x = layers.Add(name="stage1_block1_add")([x, y])
    x = layers.ReLU(name="stage1_block1_out")(x)
    return keras.Model(images, x, name="own")


def find_pretrained_error(backbone: keras.Model) -> float:
    """How far gates of 0, and of 1 before any training, are from the backbone (I1)."""
    expected = backbone.predict(IMAGES, verbose=0)
    return max(
        float(np.abs(gated.predict(IMAGES, verbose=0) - expected).max())
        for policy in ("all_frozen", "all_tuned", "learned")
        for gated in [adafilter_tf.add_gates(backbone, gate_policy=policy)]
    )


def train(method: str, backbone: keras.Model) -> dict:
    """Takes two steps; gives the loss and the weights that changed."""
    model = adafilter_tf.METHODS[method].build(backbone, 3)
    before = [keras.ops.convert_to_numpy(w).copy() for w in model.weights]
    options = adafilter_tf.OptimizerOptions(warmup_fraction=0.0)
    model.compile(
        adafilter_tf.create_optimizer(options, total_steps=4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(IMAGES, LABELS, batch_size=4, epochs=1, verbose=0)
    changed = {
        weight.path
        for weight, old in zip(model.weights, before, strict=True)
        if not np.array_equal(old, keras.ops.convert_to_numpy(weight))
    }
    return {"loss": history.history["loss"][0], "changed": sorted(changed)}


def main() -> None:
    """Prints what was found as JSON."""
    keras.utils.set_random_seed(0)
    backbone = build_backbone()
    found = {
        "backend": keras.backend.backend(),
        "pretrained_error": find_pretrained_error(backbone),
        "methods": {
            name: train(name, backbone)
            for name in ("adafilter", "fine_tuning", "spottune", "lora")
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
