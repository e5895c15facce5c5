import dataclasses

import numpy as np
import pytest

from adafilter_tf import evaluation
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import gate_interventions
from adafilter_tf.methods import adafilter
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


def test_replaced_gates_by_hand():
    gates = {
        "first": np.array([[1, 0], [1, 1], [0, 0]], np.float16),
        "second": np.array([[0], [1], [1]], np.float16),
    }
    reference = {"first": np.array([[0, 1]]), "second": np.array([[1], [0], [1]])}
    replaced = gate_interventions.replace_gates(gates, reference)
    np.testing.assert_array_equal(replaced["mean"]["first"], 3 * [[0, 1]])
    np.testing.assert_array_equal(replaced["majority"]["second"], 3 * [[1]])
    replaced = gate_interventions.replace_gates(gates, gates)
    np.testing.assert_allclose(replaced["mean"]["first"], 3 * [[2 / 3, 1 / 3]])
    np.testing.assert_array_equal(replaced["majority"]["first"], 3 * [[1, 0]])
    np.testing.assert_array_equal(replaced["majority"]["second"], 3 * [[1]])
    np.testing.assert_array_equal(replaced["all_tuned"]["second"], 3 * [[1]])
    np.testing.assert_array_equal(replaced["all_frozen"]["first"], 3 * [[0, 0]])


def test_shuffled_gates_stay_together_over_the_layers():
    gate = np.arange(20.0)[:, np.newaxis] / 20
    gates = {"a": gate, "b": 1 - gate}
    shuffled = gate_interventions.replace_gates(gates, gates)["shuffled"]
    assert (shuffled["a"] != gate).any()
    np.testing.assert_array_equal(np.sort(shuffled["a"], axis=0), gate)
    np.testing.assert_allclose(shuffled["a"] + shuffled["b"], 1.0)


@pytest.fixture
def examples(image_files):
    paths, _ = image_files
    return Examples(tuple(paths), (0, 1, 2, 0, 1, 2, 0), ("a", "b", "c"))


def test_accuracies_are_those_of_networks_with_such_gates(examples):
    model = adafilter.build(tiny_resnet(), 3)
    rng = np.random.default_rng(1)
    for weight in model.get_layer("stem_conv").trainable_weights:
        weight.assign(weight + rng.normal(size=weight.shape))
    logits = model(np.zeros((1, 8, 8, 3)), training=False)
    model.get_layer("head").bias.assign(-logits[0])  # so that images differ in class
    outputs = evaluation.create_scorer(model, SPEC, batch_size=4)(examples.paths)
    chosen = tuple(int(label) for label in outputs.logits.argmax(axis=1))
    examples = dataclasses.replace(examples, labels=chosen)
    interventions = gate_interventions.GateInterventions(model, SPEC, batch_size=4)
    effect = interventions.measure_effect(examples, outputs.gates, outputs.gates)
    assert effect["own"] == 1.0
    for policy in ("all_tuned", "all_frozen"):
        forced = adafilter.build(tiny_resnet(), 3, gate_policy=policy)
        for source, target in zip(model.layers, forced.layers, strict=True):
            assert source.name == target.name
            target.set_weights(source.get_weights())
        logits = evaluation.create_scorer(forced, SPEC, batch_size=4)(
            examples.paths
        ).logits
        assert effect[policy] == evaluation.compute_metrics(logits, chosen)["accuracy"]
    assert min(effect.values()) < 1.0


def test_gates_that_all_images_share_may_be_shuffled(examples):
    model = adafilter.build(tiny_resnet(), 3, gate_policy="all_tuned")
    gates = evaluation.create_scorer(model, SPEC, batch_size=4)(examples.paths).gates
    interventions = gate_interventions.GateInterventions(model, SPEC, batch_size=4)
    effect = interventions.measure_effect(examples, gates, gates)
    assert effect["own"] == effect["shuffled"] == effect["all_tuned"]
