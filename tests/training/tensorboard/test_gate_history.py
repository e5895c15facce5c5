import json

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.training.tensorboard import gate_history


def written(path, steps):
    history = gate_history.GateHistory(str(path))
    for step in steps:
        history.append(step, {"a": step / 100, "b": 1.0})
    return history


def test_each_line_of_the_file_is_one_evaluation(tmp_path):
    written(tmp_path / "h.jsonl", [0, 10])
    lines = (tmp_path / "h.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 0, "tuned_fraction": {"a": 0.0, "b": 1.0}},
        {"step": 10, "tuned_fraction": {"a": 0.1, "b": 1.0}},
    ]


def test_resumed_run_drops_rows_beyond_its_step(tmp_path):
    written(tmp_path / "h.jsonl", [0, 10, 20, 30])
    resumed = gate_history.GateHistory(str(tmp_path / "h.jsonl"))
    resumed.truncate(last_step=15)
    resumed.append(20, {"a": 0.7, "b": 0.5})
    shares, steps = resumed.to_table()[1:]
    assert steps == [0, 10, 20]
    np.testing.assert_allclose(shares, [[0.0, 0.1, 0.7], [1.0, 1.0, 0.5]])
    assert len((tmp_path / "h.jsonl").read_text().splitlines()) == 3


def test_row_of_the_same_step_is_replaced(tmp_path):
    history = written(tmp_path / "h.jsonl", [0, 10])
    history.append(10, {"a": 0.9, "b": 0.9})
    shares, steps = history.to_table()[1:]
    assert steps == [0, 10]
    np.testing.assert_allclose(shares[:, 1], [0.9, 0.9])


def test_layer_unknown_to_earlier_rows_is_nan(tmp_path):
    history = written(tmp_path / "h.jsonl", [0])
    history.append(1, {"a": 0.5, "new": 0.25})
    np.testing.assert_array_equal(
        history.to_table()[1:][0], [[0.0, 0.5], [np.nan, 0.25]]
    )


def test_damaged_line_is_named(tmp_path):
    path = tmp_path / "h.jsonl"
    written(path, [0])
    path.write_text(path.read_text() + '{"step": 3}\n')
    with pytest.raises(
        errors.RunError,
        match=r"Line 2 of .*h.jsonl is '\{\"step\": 3\}'; a row has step and "
        "tuned_fraction. Delete the file",
    ):
        gate_history.GateHistory(str(path)).truncate(last_step=9)
