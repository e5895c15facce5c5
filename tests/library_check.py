"""Every method in someone's own `model.fit`, on the backend that KERAS_BACKEND names.

Run by tests/test_library.py in a process of its own, since a process has one backend.
"""

import json
import pickle
import tempfile

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


def keep_trained(backbone: keras.Model) -> dict:
    """How a compiled, trained model comes back from each way to keep it."""
    model = compile_gated(backbone)
    with tempfile.TemporaryDirectory() as folder:
        backup = keras.callbacks.BackupAndRestore(
            f"{folder}/backup", delete_checkpoint=False
        )
        checkpoint = keras.callbacks.ModelCheckpoint(f"{folder}/best.keras")
        options = {"batch_size": 4, "epochs": 2, "verbose": 0}
        model.fit(IMAGES, LABELS, callbacks=[checkpoint, backup], **options)
        model.save(f"{folder}/model.keras")
        resumed = compile_gated(backbone)
        resumed.fit(IMAGES, LABELS, callbacks=[backup], **options)
        kept = {
            "load_model": keras.models.load_model(f"{folder}/model.keras"),
            "ModelCheckpoint": keras.models.load_model(f"{folder}/best.keras"),
            "BackupAndRestore": resumed,
            "pickle": pickle.loads(pickle.dumps(model)),  # noqa: S301 - our own
            "clone_model": clone(model),
        }
    expected = list_state(model)
    before = {name: distance(list_state(each), expected) for name, each in kept.items()}
    trained = step(model)
    weights = len(model.weights)  # what follows is the optimizer's
    return {
        name: {
            "before": before[name],
            "after": distance(step(each), trained),
            "moved": distance(trained[:weights], expected[:weights]),
            "start_step": each.optimizer.start_step,
        }
        for name, each in kept.items()
    }


def compile_gated(backbone: keras.Model) -> keras.Model:
    """An AdaFilter whose optimizer has a member for each block."""
    model = adafilter_tf.METHODS["adafilter"].build(backbone, 3)
    options = adafilter_tf.OptimizerOptions(weight_decay=0.1, layer_decay=0.5)
    optimizer = adafilter_tf.create_optimizer(
        options,
        total_steps=8,
        start_step=5,
        blocks=adafilter_tf.assign_blocks(model),
    )
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def clone(model: keras.Model) -> keras.Model:
    """The model of `clone_model`, with a copy of the weights and of the optimizer."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    optimizer = model.optimizer.from_config(model.optimizer.get_config())
    copy.compile(optimizer, model.loss)
    optimizer.build(copy.trainable_variables)
    optimizer.set_weights(
        [keras.ops.convert_to_numpy(each) for each in model.optimizer.variables]
    )
    return copy


def list_state(model: keras.Model) -> list[np.ndarray]:
    """The weights of a model and of its optimizer."""
    variables = [*model.weights, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(each).copy() for each in variables]


def step(model: keras.Model) -> list[np.ndarray]:
    """The state after one more step."""
    # Not `fit`, which a restored backup lets begin at the epoch after its last one.
    model.train_on_batch(IMAGES, LABELS)
    return list_state(model)


def distance(values: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The largest absolute difference."""
    return max(
        float(np.abs(one.astype("float64") - other).max(initial=0))
        for one, other in zip(values, others, strict=True)
    )


def train_with_average(backbone: keras.Model) -> dict:
    """How far the weights after `fit` are from the average of those of each step."""
    model = adafilter_tf.METHODS["fine_tuning"].build(backbone, 3)
    start = model.get_weights()
    # The same steps one by one: during `fit`, JAX keeps the weights out of the model.
    compile_average(model, ema_decay=0.0)
    steps = []
    for first in range(0, len(IMAGES), 2):
        model.train_on_batch(IMAGES[first : first + 2], LABELS[first : first + 2])
        steps.append(model.get_layer("head").get_weights())
    average = steps[0]
    for weights in steps[1:]:
        average = [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
    model.set_weights(start)
    compile_average(model, ema_decay=0.75)
    model.fit(IMAGES, LABELS, batch_size=2, shuffle=False, verbose=0)
    final = model.get_layer("head").get_weights()
    return {"error": distance(average, final), "moved": distance(steps[-1], final)}


def compile_average(model: keras.Model, ema_decay: float) -> None:
    """Compiles a model for four steps without a warm-up."""
    options = adafilter_tf.OptimizerOptions(warmup_fraction=0.0, ema_decay=ema_decay)
    model.compile(
        adafilter_tf.create_optimizer(options, total_steps=4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )


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
        "kept": keep_trained(build_backbone()),
        "average": train_with_average(build_backbone()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
