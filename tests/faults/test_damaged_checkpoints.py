"""Checkpoints with bytes changed: passed over, and the one before is used."""

import shutil

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.files import model_file
from adafilter_tf.methods import adafilter
from adafilter_tf.training import checkpointing
from tests.conftest import compile_sgd, tiny_resnet, train
from tests.faults import mutations

FILES = ("arrays.npz", "metrics.npz", "checkpoint.json")


@pytest.fixture
def folder(tmp_path):
    """Two checkpoints of a tiny model, and the variables of both."""
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    values = {}
    for step in (1, 2):
        train(model, steps=1)
        info = checkpointing.CheckpointInfo(step, "adafilter", 3, 1.5)
        checkpointing.save_checkpoint(tmp_path / "checkpoints", model, info)
        values[step] = [each.numpy() for each in checkpointing._variables(model)]
    return tmp_path / "checkpoints", model, values


def test_damaged_checkpoints(amount, count, folder):
    """Either the damage is found, or it changes nothing: the weights tell."""
    root, model, values = folder
    rng = np.random.default_rng(4)
    newest = root / "step_000000002"
    for number in range(amount(600, 100)):
        path = newest / FILES[number % len(FILES)]
        content = path.read_bytes()
        damaged = mutations.mutate_bytes(content, rng)
        path.write_bytes(damaged)
        try:
            found, info = checkpointing.find_checkpoint(
                root, method="adafilter", num_classes=3
            )
            checkpointing.load_checkpoint(found, model)
        except Exception as error:
            count.crash(f"{path.name} {number}", error)
        else:
            same = all(
                np.array_equal(each.numpy(), value)
                for each, value in zip(
                    checkpointing._variables(model), values[info.step], strict=True
                )
            )
            harmless = damaged == content or path.name == "checkpoint.json"
            right = same and (info.step == 1 or harmless)
            count.add(f"step {info.step} used" if right else "different weights")
        path.write_bytes(content)
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["different weights"] == 0
    assert count.outcomes["step 1 used"] > 0


def test_damaged_models(amount, count, folder, tmp_path):
    """`model.keras` with bytes changed: refused, or the same weights."""
    _, model, _ = folder
    rng = np.random.default_rng(5)
    path = tmp_path / "model.keras"
    model_file.save_model(model, path)
    content = path.read_bytes()
    weights = model.get_weights()
    for number in range(amount(200, 8)):
        path.write_bytes(mutations.mutate_bytes(content, rng))
        try:
            loaded = model_file.load_model(path)
        except errors.RunError:
            count.add("refused")
        except Exception as error:
            count.crash(number, error)
        else:
            same = all(map(np.array_equal, loaded.get_weights(), weights))
            count.add("same weights" if same else "different weights")
    shutil.rmtree(tmp_path)
    assert count.outcomes["crashes"] == 0, "\n".join(count.examples)
    assert count.outcomes["different weights"] == 0
