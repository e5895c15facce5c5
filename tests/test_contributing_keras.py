"""Does what CONTRIBUTING.md says for a new method and a new backbone."""

import keras
import numpy as np

from adafilter_tf import methods
from adafilter_tf.models import backbones, classifier, gate_io
from adafilter_tf.models.backbones import registry
from tests import conftest


def test_a_method_is_a_build_function_and_a_row(monkeypatch):
    def build(backbone, num_classes, *, first_trained: str = "stage1_block1_conv2"):
        names = [layer.name for layer in backbone.layers]
        for layer in backbone.layers[: names.index(first_trained)]:
            layer.trainable = False
        return classifier.add_head(backbone, num_classes)

    monkeypatch.setitem(methods.METHODS, "late", methods.Method(build))

    assert methods.list_hyperparameters("late") == ("first_trained",)
    model = methods.METHODS["late"].build(conftest.tiny_resnet(), 3)
    conftest.compile_sgd(model)
    before = {weight.path: weight.numpy() for weight in model.trainable_weights}
    frozen = model.get_layer("stem_conv").get_weights()
    losses = conftest.train(model, steps=3)
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(frozen, model.get_layer("stem_conv").get_weights())
    assert {path.split("/")[0] for path in before} >= {"stage1_block1_conv2", "head"}
    assert not any(
        np.array_equal(before[weight.path], weight.numpy())
        for weight in model.trainable_weights
    )


def test_a_backbone_is_a_row_and_becomes_gated(monkeypatch):
    def build_tiny(weights, input_tensor):
        x = keras.layers.Conv2D(4, 3, padding="same", name="conv1")(input_tensor)
        x = keras.layers.BatchNormalization(name="bn1")(x)
        inputs = keras.utils.get_source_inputs(input_tensor)
        return keras.Model(inputs, keras.layers.ReLU(name="out")(x))

    spec = registry.BackboneSpec(
        build_tiny,
        normalization={"mean": (127.5,) * 3, "standard_deviation": (127.5,) * 3},
        image_size=8,
        min_image_size=8,
    )
    monkeypatch.setitem(registry.BACKBONES, "tiny", spec)

    backbone = backbones.build_backbone("tiny", image_size=8, weights="random")
    model = methods.METHODS["adafilter"].build(backbone, 3)
    gates = gate_io.list_gates(model)
    assert {name: gate.shape for name, gate in gates.items()} == {"conv1": (None, 4)}
    conftest.compile_sgd(model)
    assert np.isfinite(conftest.train(model, steps=2)).all()
