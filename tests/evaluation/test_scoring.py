import keras
import numpy as np
import pytest
from sklearn import metrics as reference

from adafilter_tf import evaluation
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation import scoring
from adafilter_tf.methods import adafilter
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=3, crop_fraction=1.0)


def test_metrics_equal_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(50, 4))
    labels = rng.integers(0, 3, 50)  # the fourth class has no example
    labels[:30] = 0
    measured = evaluation.compute_metrics(logits, labels)
    chosen = logits.argmax(axis=1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    recalls = reference.recall_score(labels, chosen, labels=[0, 1, 2], average=None)
    assert measured["examples"] == 50
    assert measured["accuracy"] == pytest.approx(
        reference.accuracy_score(labels, chosen)
    )
    assert measured["mean_per_class_accuracy"] == pytest.approx(recalls.mean())
    assert measured["loss"] == pytest.approx(
        reference.log_loss(labels, probabilities, labels=[0, 1, 2, 3])
    )


def test_large_logits_give_a_finite_loss():
    assert evaluation.compute_metrics([[1000.0, 0.0]], [1])["loss"] == pytest.approx(
        1000.0
    )


@pytest.mark.parametrize("batch_size", [2, 7, 16])
def test_every_image_is_scored_once_in_order_whatever_the_batch(
    image_files, batch_size
):
    paths, pixels = image_files
    model = adafilter.build(tiny_resnet(), 3)
    outputs = evaluation.create_scorer(model, SPEC, batch_size=batch_size)(paths)
    assert outputs.logits.shape == (7, 3)
    # Another batch size sums in another order.
    np.testing.assert_allclose(outputs.logits, model(pixels), atol=1e-3)
    assert {g.shape[0] for g in outputs.gates.values()} == {7}
    assert {g.dtype for g in outputs.gates.values()} == {np.dtype("float16")}


def test_soft_gates_survive_scoring(image_files):
    paths, pixels = image_files
    model = adafilter.build(tiny_resnet(), 3, gate_policy="soft")
    outputs = evaluation.create_scorer(model, SPEC, batch_size=4)(paths)
    expected = model.get_layer("stem_conv_gate").output
    expected = keras.Model(model.input, expected)(pixels)
    gates = outputs.gates["stem_conv"]
    assert ((gates > 0) & (gates < 1)).any()
    np.testing.assert_allclose(gates, expected, atol=1e-3)  # float16


def test_scores_follow_the_weights(image_files):
    paths, _ = image_files
    model = adafilter.build(tiny_resnet(), 3)
    score = evaluation.create_scorer(model, SPEC, batch_size=4)
    before = score(paths).logits
    model.get_layer("head").bias.assign_add([1.0, 2.0, 3.0])
    np.testing.assert_allclose(score(paths).logits - before, [[1, 2, 3]] * 7, atol=1e-4)


def test_confusions_are_counted_by_true_and_predicted_class():
    counts = scoring.count_confusions([0, 0, 2, 2, 2], [0, 1, 2, 2, 0], 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 0], [1, 0, 2]])


def test_accuracy_of_each_class_that_has_examples():
    examples = Examples(("a", "b", "c"), (2, 0, 2), ("x", "y", "z"))
    logits = [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert scoring.measure_classes(logits, examples) == {"x": 1.0, "z": 0.5}
