"""The table of epochs, in one go, resumed, and damaged."""

import csv

import numpy as np
import pytest

from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.optim import optimizers
from adafilter_tf.training.callbacks import results_table

LOGS = {"loss": 0.5, "accuracy": 0.75, "val_loss": 1.0, "val_accuracy": 0.25}


class Model:
    """A model whose optimizer says the step."""

    optimizer = None


def train(path, epochs, monkeypatch, start=0, **options):
    step = 10 * start
    monkeypatch.setattr(optimizers, "count_steps", lambda optimizer: step)
    monkeypatch.setattr(
        results_table.tensorboard_logger,
        "learning_rates",
        lambda optimizer: {"head": 0.1},
    )
    table = results_table.ResultsTable(path, **options)
    table.set_model(Model())
    table.on_train_begin()
    for epoch in range(start, epochs):
        step += 10
        table.on_epoch_end(epoch, {**LOGS, "loss": 1 / (epoch + 1)})
    with path.open() as file:
        return list(csv.DictReader(file))


def test_each_epoch_is_a_row(tmp_path, monkeypatch):
    gates = gate_statistics.gate_statistics({"conv": np.array([[1.0, 0.0]])})
    rows = train(
        tmp_path / "results.csv", 2, monkeypatch, gate_statistics=lambda: gates
    )
    assert rows[1] == {
        "epoch": "2",
        "step": "20",
        "train_loss": "0.5",
        "train_accuracy": "0.75",
        "validation_loss": "1",
        "validation_accuracy": "0.25",
        "learning_rate_head": "0.1",
        "tuned_fraction": "0.5",
    }
    assert [row["train_loss"] for row in rows] == ["1", "0.5"]


def test_resumed_training_continues_after_its_checkpoint(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole.csv", 4, monkeypatch)
    train(tmp_path / "cut.csv", 3, monkeypatch)
    assert train(tmp_path / "cut.csv", 4, monkeypatch, start=1) == whole


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 50, b"epoch,step\n1,x\n", b"\xff", b'a\n"', b"step\n1,2\n"]
)
def test_damaged_table_begins_anew(tmp_path, monkeypatch, content):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    rows = train(path, 3, monkeypatch, start=2)
    assert [row["step"] for row in rows] == ["30"]
