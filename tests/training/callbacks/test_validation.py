import numpy as np
import pytest

from adafilter_tf import errors, evaluation
from adafilter_tf.data.examples import Examples
from adafilter_tf.methods import adafilter, fine_tuning
from adafilter_tf.training.callbacks import validation
from tests.conftest import tiny_resnet

EXAMPLES = Examples(("a.png", "b.png", "c.png", "d.png"), (0, 1, 1, 0), ("x", "y"))
LOGITS = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])


class Score:
    """Gives one set of gates after the other and counts the calls."""

    def __init__(self, *gates):
        self.gates = list(gates)
        self.calls = 0

    def __call__(self, paths):
        assert paths == EXAMPLES.paths
        self.calls += 1
        gates = self.gates.pop(0) if self.gates else {}
        return evaluation.Outputs(LOGITS, gates)


def gates(*rows):
    return {"conv": np.array(rows, "uint8")}


START = gates([0, 1], [0, 1], [0, 1], [0, 1])
LATER = gates([0, 1], [1, 1], [1, 1], [0, 1])


def make_callback(score, path, method=adafilter):
    callback = validation.Validation(score, EXAMPLES, path)
    callback.set_model(method.build(tiny_resnet(), 2))
    return callback


def test_logs_get_the_exact_metrics(tmp_path):
    callback = make_callback(Score(), tmp_path / "gates.npz", fine_tuning)
    callback.on_train_begin()
    logs = {}
    callback.on_epoch_end(0, logs)
    # Three of four right; the mean of log(1 + exp(-margin)) by hand.
    assert logs["val_accuracy"] == 0.75
    margins = np.array([2.0, -2.0, 3.0, 1.0])
    assert logs["val_loss"] == pytest.approx(np.log1p(np.exp(-margins)).mean())
    assert callback.gate_statistics is None
    assert callback._score.calls == 1  # no look at gates that do not exist


def test_gates_are_compared_with_those_of_the_start(tmp_path):
    callback = make_callback(Score(START, LATER), tmp_path / "gates.npz")
    callback.on_train_begin()
    assert callback.gate_statistics.changed_fraction == 0.0
    callback.on_epoch_end(0, {})
    statistics = callback.gate_statistics
    assert statistics.changed_fraction == 2 / 8
    assert statistics.image_dependent_fraction == 1 / 2
    assert statistics.tuned_fraction == 6 / 8


def test_resumed_run_keeps_the_first_start(tmp_path):
    make_callback(Score(START), tmp_path / "gates.npz").on_train_begin()
    resumed = make_callback(Score(LATER), tmp_path / "gates.npz")
    resumed.on_train_begin()
    resumed.on_epoch_end(3, {})
    assert resumed.gate_statistics.changed_fraction == 2 / 8


def test_damaged_gates_of_the_start_are_named(tmp_path):
    path = tmp_path / "gates.npz"
    path.write_bytes(b"PK damaged")
    with pytest.raises(errors.RunError, match="gates.npz cannot be read: File is not"):
        make_callback(Score(LATER), path).on_train_begin()


def test_gates_of_another_start_are_refused(tmp_path):
    path = tmp_path / "gates.npz"
    np.savez(path, conv=np.zeros([3, 2]))
    callback = make_callback(Score(LATER), path)
    callback.on_train_begin()
    with pytest.raises(errors.RunError, match="other layers or images than this run"):
        callback.on_epoch_end(0, {})
