import collections
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2

from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.training.tensorboard import (
    event_writer,
    gate_figure,
    rendering,
    tensorboard_logger,
)


def read_events(log_dir):
    """Tag -> {step: array} of all event files, later records over earlier ones."""
    events = collections.defaultdict(dict)
    files = log_dir.glob("events.out.tfevents.*")
    # By age: names end with a counter, of which 10 would come before 9.
    for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                events[value.tag][event.step] = tf.make_ndarray(value.tensor)
    return events


def constant_loss_model(optimizer):
    """y = w x with w = 0: the loss of a step is known by hand when the rate is 0."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(optimizer, loss="mse", metrics=["accuracy"])
    return model


def fit(model, log_dir, *, targets=(0.0,) * 4, epochs=1, initial_epoch=0, **arguments):
    targets = np.asarray(targets, np.float32)[:, None]
    writer = event_writer.EventWriter(log_dir)
    logger = tensorboard_logger.TensorBoardLogger(writer, **arguments)
    model.fit(
        np.ones_like(targets),
        targets,
        validation_data=(np.ones((2, 1)), np.full((2, 1), 3.0)),
        batch_size=1,
        shuffle=False,
        epochs=epochs,
        initial_epoch=initial_epoch,
        callbacks=[logger],
        verbose=0,
    )


def statistics(*rows):
    return gate_statistics.gate_statistics(
        {"early": np.array(rows), "late": np.ones((len(rows), 2))},
        reference={"early": np.zeros_like(rows), "late": np.ones((len(rows), 2))},
    )


def test_epoch_metrics_are_written_at_the_step_of_the_optimizer(tmp_path):
    model = constant_loss_model(keras.optimizers.SGD(0.0))
    fit(model, tmp_path, targets=[1.0, 2.0, 3.0, 4.0], epochs=2)
    events = read_events(tmp_path)
    assert events["train/loss"] == {4: pytest.approx(7.5), 8: pytest.approx(7.5)}
    assert events["validation/loss"] == {4: pytest.approx(9.0), 8: pytest.approx(9.0)}
    assert sorted(events["train/accuracy"]) == sorted(events["validation/accuracy"])


def test_curves_continue_after_a_resume(tmp_path):
    fit(constant_loss_model(keras.optimizers.SGD(0.0)), tmp_path)
    resumed = constant_loss_model(keras.optimizers.SGD(0.0))
    resumed.optimizer.iterations.assign(4)
    fit(resumed, tmp_path, epochs=2, initial_epoch=1)
    assert list(read_events(tmp_path)["train/loss"]) == [4, 8]


def test_batch_loss_is_the_mean_of_its_window_and_not_of_the_epoch(tmp_path):
    model = constant_loss_model(keras.optimizers.SGD(0.0))
    targets = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    fit(model, tmp_path, targets=targets, epochs=2, log_every=2)
    # Losses 1, 4, 9, 16, 25, 36 by twos; float32 running means.
    expected = {2: 2.5, 4: 12.5, 6: 30.5, 8: 2.5, 10: 12.5, 12: 30.5}
    assert read_events(tmp_path)["train/batch_loss"] == pytest.approx(
        expected, rel=1e-5
    )


def test_learning_rate_of_each_group_follows_its_schedule(tmp_path):
    decay = keras.optimizers.schedules.PolynomialDecay(0.8, 8, end_learning_rate=0.0)
    groups = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(decay, name="backbone"),
        {".*gate.*": keras.optimizers.Adam(0.125, name="gates")},
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="head")])
    model.add(keras.layers.Dense(1, name="gate"))
    optimizer = keras.optimizers.MultiOptimizer(groups)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer), loss="mse")
    fit(model, tmp_path, epochs=2)
    events = read_events(tmp_path)
    assert events["learning_rate/backbone"] == pytest.approx({4: 0.4, 8: 0.0})
    assert events["learning_rate/gates"] == {4: 0.125, 8: 0.125}


def test_groups_of_one_name_are_refused():
    groups = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.1, name="head"),
        {"gate": keras.optimizers.SGD(0.2, name="head")},
    )
    with pytest.raises(
        ValueError, match=r"\['head', 'head'\]; each group needs a unique name"
    ):
        tensorboard_logger.learning_rates(keras.optimizers.MultiOptimizer(groups))


def test_gate_statistics_are_written_as_scalars_and_histograms(tmp_path):
    latest = statistics([1, 0, 0], [1, 1, 0])
    model = constant_loss_model(keras.optimizers.SGD(0.0))
    fit(model, tmp_path, gate_statistics=lambda: latest)
    events = read_events(tmp_path)
    # 3 + 4 of 10 choices; the same object is not written again at step 4.
    assert events["gates/tuned_fraction"] == {0: pytest.approx(0.7)}
    assert events["gates/tuned_fraction/early"] == {0: pytest.approx(0.5)}
    assert events["gates/tuned_fraction/late"] == {0: 1.0}
    assert events["gates/image_dependent_fraction"] == {0: pytest.approx(0.2)}
    assert events["gates/changed_fraction"] == {0: pytest.approx(0.3)}
    # Buckets [left, right, count]: frequencies 1, 0.5, 0 of three filters.
    buckets = events["tuned_frequency/early"][0]
    assert buckets[:, 2].sum() == 3
    assert buckets[0, 0] == 0 and buckets[-1, 1] == 1
    assert [buckets[0, 2], buckets[-1, 2]] == [1, 1]


def test_image_shows_the_history_across_a_resume(tmp_path):
    latest = iter([statistics([k > 0, k > 1, k > 2]) for k in (0, 1, 2)])
    fit(
        constant_loss_model(keras.optimizers.SGD(0.0)),
        tmp_path,
        gate_statistics=lambda: next(latest),
    )
    resumed = constant_loss_model(keras.optimizers.SGD(0.0))
    resumed.optimizer.iterations.assign(4)
    fit(resumed, tmp_path, gate_statistics=lambda: next(latest, None))
    images = read_events(tmp_path)["gates/layers_by_time"]
    assert list(images) == [0, 4]
    # Resumed at step 4: its own evaluation there replaces the first run's.
    expected = gate_figure.gate_figure(
        np.array([[0, 2 / 3], [1, 1]]), [0, 4], ["early", "late"]
    )
    np.testing.assert_array_equal(
        tf.io.decode_png(images[4][2]), rendering.render(expected)
    )


def test_collapse_warns_once_and_again_only_after_a_recovery(tmp_path, caplog):
    fine, frozen = statistics([1, 0, 0], [1, 1, 0]), [[0, 0, 0], [0, 0, 0]]
    latest = iter(
        [fine, statistics(*frozen), statistics(*frozen), fine, statistics(*frozen)]
    )
    model = constant_loss_model(keras.optimizers.SGD(0.0))
    with caplog.at_level("WARNING", "absl"):
        fit(model, tmp_path, epochs=4, gate_statistics=lambda: next(latest))
    assert [record.getMessage() for record in caplog.records] == [
        "The gates of layer late collapsed at step 0: every filter is tuned for every "
        "image.",
        "The gates of layer early collapsed at step 4: every filter is frozen for "
        "every image.",
        "The gates of layer early collapsed at step 16: every filter is frozen for "
        "every image.",
    ]


def test_model_without_gates_writes_no_gate_tags(tmp_path):
    fit(constant_loss_model(keras.optimizers.SGD(0.0)), tmp_path)
    assert not [tag for tag in read_events(tmp_path) if tag.startswith("gates")]
    assert not (tmp_path / "gate_history.jsonl").exists()


def test_events_are_on_disk_before_the_next_epoch(tmp_path):
    class Dies(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = constant_loss_model(keras.optimizers.SGD(0.0))
    logger = tensorboard_logger.TensorBoardLogger(event_writer.EventWriter(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        inputs = np.ones((4, 1))
        model.fit(inputs, inputs, 1, 2, 0, callbacks=[logger, Dies()])
    assert math.isclose(read_events(tmp_path)["train/loss"][4], 1.0)


@pytest.mark.parametrize(
    ("key", "tag"),
    [
        ("loss", "train/loss"),
        ("val_accuracy", "validation/accuracy"),
        ("seconds", "seconds"),
    ],
)
def test_tags_of_keras_keys(key, tag):
    assert tensorboard_logger.scalar_tag(key) == tag


def test_log_every_below_one_is_refused():
    with pytest.raises(ValueError, match="log_every=0; allowed is an integer of at"):
        tensorboard_logger.TensorBoardLogger(
            event_writer.EventWriter("unused"), log_every=0
        )
