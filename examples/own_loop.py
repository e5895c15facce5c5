"""AdaFilter in a training loop of your own, with `tf.GradientTape`.

    python examples/own_loop.py

A gated network is an ordinary Keras model: `trainable_variables` leaves the frozen
filters out, and `model.losses` holds the penalties. Synthetic images, no download.
"""

import keras
import numpy as np
import tensorflow as tf

import adafilter_tf
from adafilter_tf.models import backbones


def make_stripes(count: int, seed: int):
    """Returns noisy images [count, 32, 32, 1] of upright (0) and level (1) stripes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    wave = 127.5 + 100 * np.sin(np.arange(32) + rng.uniform(0, 6, (count, 1)))
    is_upright = (labels == 0)[:, np.newaxis, np.newaxis]
    images = np.where(is_upright, wave[:, np.newaxis, :], wave[:, :, np.newaxis])
    images = images + rng.normal(0, 20, (count, 32, 32))
    return np.clip(images, 0, 255).astype("float32")[..., np.newaxis], labels


def main(steps: int = 30, batch_size: int = 16) -> float:
    """Takes `steps` updates and returns the accuracy on new images."""
    keras.utils.set_random_seed(0)
    backbone = backbones.build_backbone("resnet14", image_size=32)
    gated = adafilter_tf.add_gates(backbone, gate_from="stage3")
    model = adafilter_tf.add_head(gated, num_classes=2)
    optimizer = adafilter_tf.create_optimizer(
        adafilter_tf.OptimizerOptions(learning_rate=0.05), total_steps=steps
    )
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer.build(model.trainable_variables)

    @tf.function
    def take_step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = loss_of(labels, logits) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients)
        return loss

    images, labels = make_stripes(steps * batch_size, seed=0)
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size)
    for step, batch in enumerate(data):
        loss = take_step(*batch)
        if step % 10 == 9:
            print(f"Step {step + 1}: loss {float(loss):.3f}")
    images, labels = make_stripes(200, seed=1)
    return float((model.predict(images, verbose=0).argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    print(f"Accuracy on new images {main():.1%}")
