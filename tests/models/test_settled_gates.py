import keras
import numpy as np
import pytest

from adafilter_tf.methods import METHODS, adafilter
from adafilter_tf.models import folding, gate_io, settled_gates
from adafilter_tf.models.folding import macs
from adafilter_tf.optim.stages import Ending
from tests.conftest import random_images, tiny_resnet
from tests.models.folding.fold_networks import build, images

GATES = {"a": np.array([[1, 0], [1, 1], [0, 0], [1, 0]]), "b": np.array(4 * [[0.5]])}


def test_candidates_by_hand():
    candidates = settled_gates.list_candidates(GATES)
    assert {name: of["a"].tolist() for name, of in candidates.items()} == {
        "mean": [0.75, 0.25],
        "majority": [1.0, 0.0],
        "mean-0.5": [0.375, 0.125],
        "mean+0.5": [0.875, 0.625],
    }
    assert candidates["majority"]["b"].tolist() == [0.0]


@pytest.fixture(scope="module")
def model():
    return build(tiny_resnet(), inference_gates="auto")


def read_gates(model, pixels):
    return keras.Model(model.input, gate_io.list_gates(model)).predict_on_batch(pixels)


def choose(model, scores):
    """The choice when candidates, in their order from own on, have these scores."""
    left = iter(scores)

    def measure():
        accuracy, loss = next(left)
        return {"accuracy": accuracy, "loss": loss}

    own = read_gates(model, images())
    return adafilter.finish(
        model, Ending([], measure, list_training_gates=lambda: own)
    )["inference_gates"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([(0.9, 1.0), (0.8, 0.1), (0.8, 0.2), (0.8, 0.3), (0.8, 0.4)], "own"),
        ([(0.9, 0.1), (0.9, 0.3), (0.9, 0.2), (0.8, 0.1), (0.8, 0.1)], "majority"),
        ([(0.7, 0.1), (0.8, 0.1), (0.8, 0.2), (0.9, 9.0), (0.8, 0.1)], "mean-0.5"),
        ([(0.5, 0.1), (0.5, np.nan), (0.5, 2.0), (0.5, np.inf), (0.4, 1)], "majority"),
    ],
)
def test_accuracy_decides_then_cost_then_loss(model, scores, expected):
    assert choose(model, scores) == expected
    gates = read_gates(model, images())
    same = all((gate == gate[:1]).all() for gate in gates.values())
    assert same == (expected != "own")


@pytest.mark.parametrize("rule", ["mean", "majority"])
def test_rule_needs_no_validation_images(rule):
    model = build(tiny_resnet(), inference_gates=rule)
    own = read_gates(model, images())
    found = adafilter.finish(
        model, Ending([], pytest.fail, list_training_gates=lambda: own)
    )
    assert found == {"inference_gates": rule}
    expected = settled_gates.list_candidates(own)[rule]
    for name, gates in read_gates(model, random_images(3, 8, 8, 3, seed=5)).items():
        np.testing.assert_allclose(gates, np.tile(expected[name], (3, 1)), atol=1e-6)


def test_own_gates_are_the_default_and_add_no_weight():
    model = build(tiny_resnet())
    assert adafilter.finish(model, Ending([], pytest.fail)) == {}
    assert not settled_gates.list_settleable(model)
    assert METHODS["adafilter"].finish is adafilter.finish


def test_settled_network_folds_to_a_plain_one_exactly(model):
    own = read_gates(model, images())
    settled_gates.settle(model, settled_gates.list_candidates(own)["mean"])
    folded = folding.fold(model)
    assert folded.dependent_fraction == 0.0
    tuned = {name: np.ones(gate.shape[-1]) for name, gate in own.items()}
    plain = folding.fold(build(tiny_resnet()), tuned).model
    assert macs.count_macs(folded.model) == macs.count_macs(plain)
    assert not any("gate" in layer.name for layer in folded.model.layers)
    np.testing.assert_allclose(
        folded.model.predict_on_batch(images()),
        model.predict_on_batch(images()),
        rtol=1e-4,
        atol=1e-4,
    )


def test_settled_gates_are_saved(model, tmp_path):
    own = read_gates(model, images())
    settled_gates.settle(model, settled_gates.list_candidates(own)["majority"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict_on_batch(images()), model.predict_on_batch(images())
    )
    for name, gate in read_gates(loaded, images()).items():
        assert (gate == gate[:1]).all(), name
