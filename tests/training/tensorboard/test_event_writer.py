"""What TensorBoard itself reads from the files of a run that was killed and resumed."""

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from adafilter_tf.training.tensorboard import event_writer


def read_steps(log_dir, tag="train/loss"):
    reader = plugin_event_accumulator.EventAccumulator(str(log_dir))
    reader.Reload()
    return [event.step for event in reader.Tensors(tag)]


def log(log_dir, start, steps):
    writer = event_writer.EventWriter(log_dir)
    writer.open(start)
    for step in steps:
        writer.write_scalars({"train/loss": 1.0}, step)
    return writer


def test_steps_that_were_taken_twice_are_shown_once(tmp_path):
    log(tmp_path, 0, [0, 10, 20, 30])  # killed: nothing is closed
    log(tmp_path, 20, [25, 30, 40]).close()
    assert read_steps(tmp_path) == [0, 10, 20, 25, 30, 40]


def test_run_without_a_checkpoint_begins_anew(tmp_path):
    log(tmp_path, 0, [0, 10, 20])
    log(tmp_path, 0, [0, 10]).close()
    assert read_steps(tmp_path) == [0, 10]


def test_opening_again_goes_on(tmp_path):
    writer = log(tmp_path, 0, [10])
    writer.open(10)
    writer.write_scalars({"train/loss": 1.0}, 20)
    writer.close()
    writer.close()
    assert read_steps(tmp_path) == [10, 20]


def test_full_disk_is_an_error_of_the_system(tmp_path, monkeypatch):
    def fail(content):
        raise tf.errors.ResourceExhaustedError(
            None, None, "events; No space left on device"
        )

    writer = log(tmp_path, 0, [0])
    monkeypatch.setattr(tf.summary.experimental, "write_raw_pb", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        writer.write_scalars({"train/loss": 1.0}, 1)
    assert caught.value.filename == str(tmp_path)
