"""Equality of one device and two replicas, in processes that have two logical CPUs."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from adafilter_tf import distribution, errors

TWO_CPUS = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = 2 * [tf.config.LogicalDeviceConfiguration()]
tf.config.set_logical_device_configuration(cpu, two)
from absl import app, flags
from adafilter_tf import flags as run_flags, run
run_flags.define_flags()
app.run(run.main, flags_parser=run._parse)
"""


def test_two_replicas_train_as_one_device_does(tmp_path):
    """Uneven validation and test batches included; statistics are synchronised."""
    metrics, weights = [], []
    for name, devices in (("one", "CPU:0"), ("two", "CPU:0,CPU:1")):
        folder = tmp_path / name
        arguments = [
            "--dataset=digits", f"--data_dir={tmp_path}", "--backbone=resnet14",
            "--image_size=16", "--crop_fraction=1", "--examples_per_class=2",
            "--validation_fraction=0.02", "--test_fraction=0.02", "--epochs=2",
            "--steps_per_epoch=2", "--batch_size=16", "--gate_from=stage3",
            f"--devices={devices}", f"--output_dir={folder}",
        ]  # fmt: skip
        process = subprocess.run(
            [sys.executable, "-c", TWO_CPUS, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        metrics.append(json.loads((folder / "metrics.json").read_text()))
        with np.load(folder / "checkpoints/step_000000004/arrays.npz") as archive:
            weights.append([archive[key] for key in archive.files])
    for one, two in zip(*weights, strict=True):
        # Sums over replicas are taken in another order.
        np.testing.assert_allclose(two, one, atol=1e-5)
    for name in ("test_loss", "test_accuracy", "tuned_fraction"):
        assert metrics[1][name] == pytest.approx(metrics[0][name], abs=1e-5)
    assert metrics[1]["test_examples"] == metrics[0]["test_examples"]
    assert metrics[0]["test_examples"] % 16  # the last batch is not whole


def test_single_device_needs_no_strategy():
    assert distribution.create_strategy().num_replicas_in_sync == 1


def test_batch_that_does_not_divide_is_refused():
    message = "--batch_size=30 for 4 replicas; .* must be a multiple of them: 28"
    with pytest.raises(errors.UsageError, match=message):
        distribution.check_batch_size(30, 4)
    assert distribution.check_batch_size(32, 4) is None


def test_unknown_device_lists_the_visible_ones():
    message = "--devices=GPU:9; there is no GPU:9. Visible are CPU:0"
    with pytest.raises(errors.UsageError, match=message):
        distribution.create_strategy(["GPU:9"])


def test_compilation_is_off_on_a_cpu_unless_asked_for():
    strategy = tf.distribute.get_strategy()
    assert not distribution.use_jit_compile("auto", strategy)
    assert distribution.use_jit_compile("on", strategy)
