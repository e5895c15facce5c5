"""Equality of one device, two replicas and two workers, by the real command."""

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from adafilter_tf import distribution, errors
from tests import worker_processes

EPOCHS = 3
CURVES = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy")


def arguments(tmp_path, folder, *more):
    """Two steps of 16 images an epoch; the last of the test batches is not whole."""
    return [
        "--dataset=digits", f"--data_dir={tmp_path}/data", "--backbone=resnet14",
        "--image_size=16", "--crop_fraction=1", "--examples_per_class=2",
        "--validation_fraction=0.02", "--test_fraction=0.02", f"--epochs={EPOCHS}",
        "--steps_per_epoch=2", "--batch_size=16", "--gate_from=stage3",
        "--export_formats=", f"--output_dir={tmp_path}/{folder}", *more,
    ]  # fmt: skip


def read_run(folder):
    """What a run left: metrics, curves, gates by epoch, counts and weights."""
    curves = event_accumulator.EventAccumulator(str(folder / "tensorboard"))
    curves.Reload()
    history = (folder / "tensorboard/gate_history.jsonl").read_text().splitlines()
    newest = max((folder / "checkpoints").glob("step_*"))
    arrays = {}
    for name in ("metrics", "arrays"):
        with np.load(newest / f"{name}.npz") as archive:
            arrays[name] = [archive[key] for key in archive.files]
    return {
        "metrics": json.loads((folder / "metrics.json").read_text()),
        "curves": {
            tag: [tf.make_ndarray(of.tensor_proto) for of in curves.Tensors(tag)]
            for tag in CURVES
        },
        "gates": [list(json.loads(row)["tuned_fraction"].values()) for row in history],
        "counts": arrays["metrics"],
        "weights": arrays["arrays"],
    }


def check_equal(found, expected):
    """Sums over replicas are taken in another order; nothing else may differ."""
    for one, other in zip(expected["weights"], found["weights"], strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    # Sums over an epoch of 32 images and their number.
    np.testing.assert_allclose(found["counts"], expected["counts"], rtol=1e-5)
    np.testing.assert_allclose(found["gates"], expected["gates"], atol=1e-5)
    for tag in CURVES:
        assert len(found["curves"][tag]) == EPOCHS
        np.testing.assert_allclose(
            found["curves"][tag], expected["curves"][tag], atol=1e-5
        )
    assert found["metrics"].keys() == expected["metrics"].keys()
    for name, value in expected["metrics"].items():
        if "second" not in name:
            assert found["metrics"][name] == pytest.approx(value, abs=1e-5), name


@pytest.mark.slow
def test_two_replicas_and_two_workers_train_as_one_device_does(tmp_path):
    """Batch norms are synchronised; every training and test image counts once."""
    code = worker_processes.TWO_CPUS + worker_processes.COMMAND
    runs = {}
    for name, devices in (("one", "CPU:0"), ("two", "CPU:0,CPU:1")):
        given = arguments(tmp_path, name, f"--devices={devices}")
        worker_processes.finish([worker_processes.start_python(code, given)])
        runs[name] = read_run(tmp_path / name)
    processes = worker_processes.start_workers(
        worker_processes.COMMAND,
        lambda index: arguments(tmp_path, f"worker_{index}"),
    )
    (said, _), (nothing, _) = worker_processes.finish(processes)
    assert runs["one"]["metrics"]["test_examples"] == 39
    assert runs["one"]["counts"][1] == 32
    check_equal(runs["two"], runs["one"])
    check_equal(read_run(tmp_path / "worker_0"), runs["one"])
    assert "test accuracy" in said and nothing == ""
    assert not (tmp_path / "worker_1").exists()  # only the chief leaves artefacts


def test_single_device_needs_no_strategy():
    for choice in ("auto", "one_device"):
        found = distribution.create_strategy(choice, environment={})
        assert found is tf.distribute.get_strategy()


def test_positions_are_dealt_out_once_in_the_order_of_the_answers():
    """Keras puts first replicas of all workers first: here 2 workers of 2 replicas."""
    first, second = (
        distribution.list_positions(8, worker=worker, num_workers=2, num_replicas=4)
        for worker in (0, 1)
    )
    assert (first, second) == ([0, 1, 4, 5], [2, 3, 6, 7])


def test_batch_that_does_not_divide_is_refused():
    message = "--batch_size=30 for 4 replicas; .* must be a multiple of them: 28"
    with pytest.raises(errors.UsageError, match=message):
        distribution.check_batch_size(30, 4)
    assert distribution.check_batch_size(32, 4) is None


def test_a_pass_counts_the_last_batch_that_is_not_whole():
    assert [distribution.count_steps_per_pass(n, 8) for n in (1, 8, 9)] == [1, 1, 2]


@pytest.mark.parametrize("choice", ["auto", "one_device", "mirrored"])
def test_unknown_device_lists_the_visible_ones(choice):
    message = "--devices=GPU:9; there is no GPU:9. Visible are CPU:0"
    with pytest.raises(errors.UsageError, match=message):
        distribution.create_strategy(choice, ["GPU:9"], environment={})


@pytest.mark.parametrize("choice", ["auto", "one_device", "mirrored"])
def test_device_that_is_named_twice_is_refused(choice):
    with pytest.raises(errors.UsageError, match="--devices=CPU:0,CPU:0, .* twice"):
        distribution.create_strategy(choice, ["CPU:0", "CPU:0"], environment={})


def test_unknown_device_of_a_worker_is_refused_before_it_waits_for_others():
    cluster = {
        "cluster": {"worker": ["host0:2222", "host1:2222"]},
        "task": {"type": "worker", "index": 1},
    }
    with pytest.raises(errors.UsageError, match="there is no GPU:0. Visible are CPU:0"):
        distribution.create_strategy(
            "auto", ["GPU:0"], environment={"TF_CONFIG": json.dumps(cluster)}
        )


def test_mirrored_needs_several_devices():
    message = "mirrored, which needs several devices; there is CPU:0 alone"
    with pytest.raises(errors.UsageError, match=message):
        distribution.create_strategy("mirrored", environment={})


def test_several_workers_need_a_cluster():
    message = '--distribution=multi_worker without the variable TF_CONFIG .* "index"'
    with pytest.raises(errors.UsageError, match=message):
        distribution.create_strategy("multi_worker", environment={})


@pytest.mark.parametrize("choice", ["auto", "multi_worker"])
def test_malformed_cluster_is_refused(choice):
    with pytest.raises(errors.UsageError, match="TF_CONFIG={, which is not JSON"):
        distribution.create_strategy(choice, environment={"TF_CONFIG": "{"})


def test_cluster_of_one_worker_is_a_machine_alone():
    cluster = {
        "cluster": {"worker": ["localhost:2222"]},
        "task": {"type": "worker", "index": 0},
    }
    found = distribution.create_strategy(
        "multi_worker", environment={"TF_CONFIG": json.dumps(cluster)}
    )
    assert found is tf.distribute.get_strategy()


def test_other_choices_ignore_the_cluster():
    found = distribution.create_strategy("one_device", environment={"TF_CONFIG": "{"})
    assert found is tf.distribute.get_strategy()


def test_compilation_is_off_on_a_cpu_unless_asked_for():
    strategy = tf.distribute.get_strategy()
    assert not distribution.use_jit_compile("auto", strategy)
    assert distribution.use_jit_compile("on", strategy)


AVERAGED = (
    worker_processes.TWO_CPUS
    + """
import json
import keras
import numpy as np
from adafilter_tf import distribution
from adafilter_tf.layers import GatedBatchNormalization

images = np.arange(16, dtype="float32").reshape(8, 1, 1, 2)
found = {}
strategy = distribution.create_strategy("auto", ["CPU:0", "CPU:1"], {})
for synchronized in (True, False):
    with distribution.build_scope(strategy, synchronized=synchronized):
        inputs = keras.Input((1, 1, 2))
        gates = keras.ops.ones_like(inputs[:, 0, 0])
        options = {"momentum": 0.0, "synchronized": synchronized}
        plain = keras.layers.BatchNormalization(**options)
        gated = GatedBatchNormalization(**options)
        x = plain(inputs)
        outputs = keras.layers.Dense(1)(gated(inputs, inputs, gates) + x)
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mse")
    labels = np.zeros((8, 1, 1, 1))
    model.fit(images, labels, batch_size=8, shuffle=False, verbose=0)
    found[synchronized] = [
        [value.numpy().tolist() for value in strategy.experimental_local_results(v)]
        for layer, name in ((plain, "moving"), (gated, "tuned_moving"))
        for v in (
            getattr(layer, f"{name}_mean").value,
            getattr(layer, f"{name}_variance").value,
        )
    ]
print(json.dumps([found[True], found[False]]))
"""
)


@pytest.mark.slow
def test_batch_norms_that_are_not_synchronized_average_their_moving_statistics():
    process = worker_processes.start_python(AVERAGED)
    [(output, _)] = worker_processes.finish([process])
    together, apart = json.loads(output.splitlines()[-1])
    images = np.arange(16.0).reshape(8, 2)
    halves = images.reshape(2, 4, 2)
    for found, mean, variance in (
        (together, images.mean(axis=0), images.var(axis=0)),
        (apart, halves.mean(axis=(0, 1)), halves.var(axis=1).mean(axis=0)),
    ):
        for replicas, expected in zip(found, 2 * [mean, variance], strict=True):
            assert replicas[0] == replicas[1]
            np.testing.assert_allclose(replicas[0], expected, rtol=1e-5)
