import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.methods import fine_tuning
from adafilter_tf.training import checkpointing
from adafilter_tf.training.callbacks import checkpoint, stopwatch
from tests.conftest import compile_sgd, tiny_resnet, train

INFO = checkpointing.CheckpointInfo(0, "fine_tuning", 3, 0.0)


@pytest.fixture(scope="module")
def model():
    return compile_sgd(fine_tuning.build(tiny_resnet(), 3), total_steps=100)


@pytest.fixture
def make(model, tmp_path):
    """Function (options, is_preempted) -> a callback at the start of an epoch of 5."""

    def create(is_preempted=lambda: False, explain=lambda step: "", **options):
        options = checkpoint.CheckpointOptions(**options, keep_checkpoints=9)
        callback = checkpoint.Checkpoint(
            tmp_path, INFO, stopwatch.Stopwatch(0.0), options, is_preempted, explain
        )
        callback.set_model(model)
        callback.set_params({"steps": 5})
        model.optimizer.iterations.assign(0)
        callback.on_epoch_begin(0)
        return callback

    return create


def saved_steps(folder):
    return sorted(int(path.name[5:]) for path in folder.glob("step_*"))


def take_epoch(callback, before_end=lambda step: None):
    for batch in range(5):
        train(callback.model, steps=1)
        before_end(batch + 1)
        callback.on_train_batch_end(batch)
    callback.on_epoch_end(0)


def test_every_so_many_steps_and_the_end_of_the_epoch(make, tmp_path):
    take_epoch(make(checkpoint_steps=2))
    assert saved_steps(tmp_path) == [2, 4, 5]


def test_after_so_many_minutes_the_next_step_is_saved(make, tmp_path, monkeypatch):
    """Steps of 40 seconds: 1 minute is over after the second and the fourth."""
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)

    def wait(step):
        nonlocal now
        now += 40.0

    take_epoch(make(checkpoint_minutes=1.0), wait)
    assert saved_steps(tmp_path) == [2, 4, 5]


def test_without_options_only_the_end_of_the_epoch_is_saved(make, tmp_path):
    take_epoch(make())
    assert saved_steps(tmp_path) == [5]


def test_preemption_saves_the_step_under_way_and_ends(make, tmp_path):
    asked = []
    callback = make(lambda: bool(asked))
    with pytest.raises(errors.Preempted, match="saved at step 3. The same command"):
        take_epoch(callback, lambda step: asked.append(1) if step == 3 else None)
    assert saved_steps(tmp_path) == [3]


def test_weight_that_is_no_number_is_explained(make, tmp_path):
    callback = make(explain=lambda step: f"Images of step {step}: a.jpg.")
    bias = callback.model.get_layer("head").bias
    before = bias.numpy()
    message = "head/bias is not finite at step 5; .* Images of step 5: a.jpg."
    with pytest.raises(errors.NonFiniteError, match=message):
        take_epoch(
            callback,
            lambda step: bias.assign([0.0, np.nan, 0.0]) if step == 5 else None,
        )
    bias.assign(before)
    assert saved_steps(tmp_path) == []
