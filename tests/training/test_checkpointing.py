import errno
import json
import os
import pathlib

import keras
import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.files import atomic
from adafilter_tf.methods import adafilter
from adafilter_tf.training import checkpointing
from tests.conftest import compile_sgd, random_images, tiny_resnet, train


@pytest.fixture(scope="module")
def model():
    return compile_sgd(adafilter.build(tiny_resnet(), 3))


def info(step, **changes):
    fields = {"step": step, "method": "adafilter", "num_classes": 3}
    return checkpointing.CheckpointInfo(**{**fields, "train_seconds": 1.5, **changes})


def restore(folder, model, method="adafilter", num_classes=3):
    found = checkpointing.find_checkpoint(
        folder, method=method, num_classes=num_classes
    )
    if found is None:
        return None
    checkpointing.load_checkpoint(found[0], model)
    return found[1]


def test_training_goes_on_bit_by_bit_after_a_restore(tmp_path, model):
    """I3 and more: model and optimizer come back whole, frozen filters included."""
    train(model, steps=2)
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    saved = [w.numpy() for w in model.weights]
    losses = train(model, steps=3)
    other = compile_sgd(adafilter.build(tiny_resnet(), 3))
    train(other, steps=1)
    assert restore(tmp_path, other) == info(2)
    for weight, value in zip(other.weights, saved, strict=True):
        assert np.array_equal(weight.numpy(), value), weight.path
    assert train(other, steps=3) == losses
    images = random_images(2, 8, 8, 3, seed=4)
    assert np.array_equal(other(images), model(images))


def test_loss_scale_comes_back(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    train(model, steps=2)
    model.optimizer.dynamic_scale.assign(4096.0)
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    other = compile_sgd(adafilter.build(tiny_resnet(), 3))
    restore(tmp_path, other)
    assert float(other.optimizer.dynamic_scale) == 4096.0
    # Half-precision sums on a CPU run in threads, in no fixed order.
    np.testing.assert_allclose(train(other, steps=2), train(model, steps=2), rtol=0.02)


def test_no_checkpoint_is_none(tmp_path, model):
    assert restore(tmp_path / "nothing", model) is None


def test_newest_are_kept(tmp_path, model):
    for step in (1, 2, 3):
        checkpointing.save_checkpoint(tmp_path, model, info(step), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000002",
        "step_000000003",
    ]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damaged_checkpoint_is_passed_over(tmp_path, model, damage):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    path = tmp_path / "step_000000002" / "arrays.npz"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "truncate":
        path.write_bytes(content[:1000])
    else:
        path.unlink()
    assert restore(tmp_path, model).step == 1


@pytest.mark.parametrize("text", ["[]", "{}", "", '"step"', "flip"])
def test_damaged_description_is_passed_over(tmp_path, model, text):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    path = tmp_path / "step_000000002/checkpoint.json"
    if text == "flip":
        text = path.read_text().replace("adafilter", "adafiltes")
    path.write_text(text)
    assert restore(tmp_path, model).step == 1


def test_file_in_place_of_a_checkpoint_is_passed_over_and_replaced(tmp_path, model):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    for name in ("step_000000002", "step_000000003", "step_of_mine"):
        (tmp_path / name).write_text("a file")
    assert restore(tmp_path, model).step == 1
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    assert restore(tmp_path, model).step == 2
    assert checkpointing.list_steps(tmp_path) == [1, 2]


def test_unfinished_write_does_not_count(tmp_path, model):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    atomic.temporary_path(tmp_path / "step_000000002").mkdir()
    assert restore(tmp_path, model).step == 1
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    assert restore(tmp_path, model).step == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "fine_tuning"}, "has method adafilter, this run has fine_tuning"),
        ({"num_classes": 4}, "has number of classes 3, this run has 4"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path, model, options, message):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    with pytest.raises(errors.RunError, match=message):
        restore(tmp_path, model, **options)


def test_checkpoint_of_another_architecture_is_refused(tmp_path, model):
    checkpointing.save_checkpoint(tmp_path, model, info(1))
    other = compile_sgd(adafilter.build(tiny_resnet(), 3, gate_units=5))
    with pytest.raises(errors.RunError, match="do not fit this model's .* variables"):
        restore(tmp_path, other)


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    model = compile_sgd(adafilter.build(tiny_resnet(), 3))
    model.get_layer("head").bias.assign([0.0, np.nan, 0.0])
    message = "head/bias is not finite at step 7; no checkpoint of it was written"
    with pytest.raises(errors.RunError, match=message):
        checkpointing.save_checkpoint(tmp_path, model, info(7))
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_tells_what_it_is_without_our_code(tmp_path, model):
    checkpointing.save_checkpoint(tmp_path, model, info(5))
    fields = json.loads((tmp_path / "step_000000005/checkpoint.json").read_text())
    assert (fields["step"], fields["method"], fields["num_classes"]) == (
        5,
        "adafilter",
        3,
    )


def test_full_disk_is_one_clear_error_and_the_earlier_checkpoint_stays(
    tmp_path, model, monkeypatch
):
    checkpointing.save_checkpoint(tmp_path, model, info(1), keep=1)

    def fail(file, *arrays):
        pathlib.Path(file).write_bytes(b"part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", fail)
        message = "step_000000002 could not be written: No space left on device"
        with pytest.raises(errors.RunError, match=message):
            checkpointing.save_checkpoint(tmp_path, model, info(2), keep=1)
        with pytest.raises(errors.RunError, match="stage_0.npz could not be written"):
            checkpointing.save_arrays(tmp_path / "stage_0.npz", [np.zeros(2)])
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000001"]
    assert restore(tmp_path, model).step == 1


def test_damaged_checkpoint_beyond_a_new_one_is_dropped(tmp_path, model):
    for step in (1, 2, 9):
        checkpointing.save_checkpoint(tmp_path, model, info(step))
    (tmp_path / "step_000000009/metrics.npz").write_bytes(b"")
    assert restore(tmp_path, model).step == 2
    checkpointing.save_checkpoint(tmp_path, model, info(3), keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000002",
        "step_000000003",
    ]


def test_metrics_of_the_epoch_so_far_come_back(tmp_path, model):
    model.reset_metrics()
    train(model, steps=2)
    before = [value.numpy() for value in model.metrics_variables]
    checkpointing.save_checkpoint(tmp_path, model, info(2))
    model.reset_metrics()
    checkpointing.load_metrics(tmp_path / "step_000000002", model)
    for variable, value in zip(model.metrics_variables, before, strict=True):
        assert np.array_equal(variable.numpy(), value)
    assert any(value.any() for value in before)


def test_damaged_arrays_of_a_stage_are_named(tmp_path):
    path = tmp_path / "stage_0.npz"
    checkpointing.save_arrays(path, [np.arange(3)])
    assert checkpointing.load_arrays(path)[0].tolist() == [0, 1, 2]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(errors.RunError, match="stage_0.npz cannot be read"):
        checkpointing.load_arrays(path)
