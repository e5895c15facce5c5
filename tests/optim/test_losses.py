import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils import class_weight

from adafilter_tf.optim import losses

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]], "float32")


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_label_smoothing_spreads_over_all_classes():
    labels = np.array([[1, 0, 0], [0, 0, 1]], "float32")
    smooth = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    expected = -(smooth * log_softmax(LOGITS)).sum(axis=1).mean()
    for weights in (None, [1.0, 1.0, 1.0]):
        loss = losses.create_loss(weights, label_smoothing=0.3)
        assert float(loss(labels, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_mixed_label_costs_what_its_classes_cost_in_their_shares():
    loss = losses.create_loss([0.5, 2.0, 3.0])
    one = float(loss(np.array([[1.0, 0, 0]]), LOGITS[:1]))
    other = float(loss(np.array([[0, 1.0, 0]]), LOGITS[:1]))
    mixed = float(loss(np.array([[0.3, 0.7, 0]]), LOGITS[:1]))
    assert one == pytest.approx(-0.5 * log_softmax(LOGITS)[0, 0], rel=1e-6)
    assert mixed == pytest.approx(0.3 * one + 0.7 * other, rel=1e-6)


def test_very_wrong_example_still_has_a_gradient():
    logits = keras.Variable([[90.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = losses.create_loss([1.0, 2.0])(np.array([[0.0, 1.0]]), logits.value)
    np.testing.assert_allclose(tape.gradient(loss, logits.value), [[2.0, -2.0]])


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0] * 6 + [1] * 3 + [2]
    expected = class_weight.compute_class_weight(
        "balanced", classes=np.arange(3), y=np.array(labels)
    )
    np.testing.assert_allclose(losses.balance_classes(np.bincount(labels)), expected)
    weights = losses.balance_classes(np.array([6, 0, 2]))
    assert weights == pytest.approx([8 / 12, 1.0, 2.0])


def test_weighted_loss_is_saved_with_a_model():
    loss = losses.create_loss([0.5, 2.0, 3.0], label_smoothing=0.1)
    config = keras.saving.serialize_keras_object(loss)
    loaded = keras.saving.deserialize_keras_object(config)
    labels = np.array([[1, 0, 0], [0, 0, 1]], "float32")
    assert float(loaded(labels, LOGITS)) == float(loss(labels, LOGITS))
    assert loaded.get_config() == loss.get_config()
