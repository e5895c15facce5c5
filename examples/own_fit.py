"""AdaFilter in your own `model.fit`: a bundled ResNet14 learns handwritten digits.

    python examples/own_fit.py

The backbone was pre-trained on Fashion-MNIST; 200 digits fine-tune it. Nothing is
downloaded; about half a minute on two CPU cores.
"""

import keras
import numpy as np
from sklearn import datasets

import adafilter_tf
from adafilter_tf.models import backbones


def load_digits(num_train: int, num_test: int):
    """Returns training and test digits as pixels 0..255 [N, 32, 32, 1], and labels."""
    digits = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    order = order[: num_train + num_test]
    pixels = digits.images[order, :, :, np.newaxis].astype("float32") * (255 / 16)
    pixels = keras.ops.convert_to_numpy(keras.ops.image.resize(pixels, (32, 32)))
    labels = digits.target[order]
    train = (pixels[:num_train], labels[:num_train])
    return train, (pixels[num_train:], labels[num_train:])


def main(num_train: int = 200, num_test: int = 500, epochs: int = 8) -> float:
    """Fine-tunes, prints what the gates do and returns the test accuracy."""
    keras.utils.set_random_seed(0)
    train, test = load_digits(num_train, num_test)

    backbone = backbones.build_backbone("resnet14", image_size=32)
    model = adafilter_tf.add_head(adafilter_tf.add_gates(backbone), num_classes=10)

    # Backbone, head and gates have an optimizer each: the gates always use Adam.
    options = adafilter_tf.OptimizerOptions(learning_rate=0.2, head_learning_rate=0.1)
    steps = epochs * -(-num_train // 20)
    model.compile(
        adafilter_tf.create_optimizer(options, total_steps=steps),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*train, batch_size=20, epochs=epochs, verbose=2)
    accuracy = model.evaluate(*test, verbose=0, return_dict=True)["accuracy"]

    gates = keras.Model(model.input, adafilter_tf.list_gates(model))
    for layer, values in gates.predict(test[0][:100], verbose=0).items():
        depends = (values != values[0]).any(axis=0).mean()
        print(f"{layer}: {values.mean():.0%} tuned, {depends:.0%} differ by image")
    print(f"Test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
