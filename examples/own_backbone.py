"""Gates in a functional Keras CNN of your own, in place of a backbone of the table.

    python examples/own_backbone.py

`add_gates` takes any functional model of convolutions, dense layers, batch norms, layer
norms and layer scales, under their own names. Random weights; a few seconds on a CPU.
"""

import keras
import numpy as np

import adafilter_tf


def build_cnn() -> keras.Model:
    """Returns a small residual CNN; yours would load its pre-trained weights here."""
    images = keras.Input((16, 16, 3), name="images")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem_conv")(x)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = shortcut = keras.layers.ReLU(name="stem_relu")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="block1_depthwise")(x)
    x = keras.layers.Conv2D(8, 1, use_bias=False, name="block1_conv")(x)
    x = keras.layers.BatchNormalization(name="block1_bn")(x)
    x = keras.layers.ReLU(name="block1_out")(keras.layers.Add()([x, shortcut]))
    return keras.Model(images, x, name="own_cnn")


def main() -> dict[str, float]:
    """Converts the CNN; returns how far each forced network is from the original."""
    keras.utils.set_random_seed(0)
    backbone = build_cnn()
    images = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype("float32")
    expected = backbone.predict(images, verbose=0)

    gated = adafilter_tf.add_gates(backbone)
    print(f"{'gated layer':<20}{'filters':>8}")
    for layer, gate in adafilter_tf.list_gates(gated).items():
        print(f"{layer:<20}{gate.shape[-1]:>8}")

    # Before training both filter banks are equal, so the gates make no difference.
    forced = adafilter_tf.force_gates(gated)
    shapes = {name: x.shape[1:] for name, x in adafilter_tf.list_gates(gated).items()}
    differences = {}
    for name, value in (("frozen", 0.0), ("tuned", 1.0)):
        gates = {k: np.full((4, *s), value, "float32") for k, s in shapes.items()}
        outputs = forced.predict({"images": images, "gates": gates}, verbose=0)
        differences[name] = float(np.abs(outputs - expected).max())
        print(f"All filters {name}: largest difference {differences[name]:.1e}")
    return differences


if __name__ == "__main__":
    main()
