"""The number of epochs that fits into a time, and a rehearsal that leaves no trace."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from adafilter_tf import training
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import fine_tuning
from adafilter_tf.optim import optimizers, stages
from adafilter_tf.training import time_plan
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=1, crop_fraction=1.0)
OPTIONS = training.TrainingOptions(
    epochs=1000, steps_per_epoch=10, batch_size=8, log_every=50
)
PLAN = training.TrainingPlan(
    stages.train_all(), optimizers.OptimizerOptions("sgd", 0.1, 0.1, 0.01)
)
PACE = time_plan.Pace(start=4.0, step=0.5, trace=1.0, image=0.01, checkpoint=0.2)


def count_seconds(chosen, stages=1, epoch_images=0, end_images=0):
    """What a training takes by PACE: tracing, steps, scoring, checkpoints."""
    traced = 4.0 * stages + 1.0 * (3 + stages)
    steps = 0.5 * chosen.epochs * chosen.steps_per_epoch
    scored = 0.01 * (chosen.epochs * epoch_images + end_images)
    return traced + steps + scored + 0.2 * chosen.epochs


def choose(seconds, **work):
    parts = {"stages": 1, "epoch_images": 0, "end_images": 0, **work}
    return time_plan.choose_length(
        PACE, time_plan.Work(**parts), OPTIONS, seconds=seconds
    )


@pytest.mark.parametrize(
    ("seconds", "work"),
    [
        (60, {}),
        (600, {}),
        (600, {"epoch_images": 500, "end_images": 2000}),
        (300, {"stages": 2, "end_images": 2000}),
    ],
)
def test_epochs_that_fit_fill_the_time(seconds, work):
    chosen = choose(seconds, **work)
    assert chosen.steps_per_epoch == 10
    assert 0.7 * seconds < count_seconds(chosen, **work) < 0.95 * seconds


def test_training_is_never_longer_than_its_epochs():
    assert choose(1e6) == OPTIONS


@pytest.mark.parametrize("stages", [1, 2])
def test_less_than_an_epoch_has_fewer_steps(stages):
    chosen = choose(8 + 10 * stages, stages=stages)
    assert chosen.epochs == stages
    assert 1 < chosen.steps_per_epoch < 10
    assert count_seconds(chosen, stages) < 8 + 10 * stages


@pytest.mark.parametrize("seconds", [-100, 0, 5])
def test_no_time_is_one_step(seconds):
    chosen = choose(seconds)
    assert (chosen.epochs, chosen.steps_per_epoch) == (1, 1)


def test_work_counts_the_images_of_the_end(few_digits):
    counts = [len(split) for _, split in few_digits.items()]
    train, validation, test = counts
    plain = dataclasses.replace(OPTIONS, renew_batch_norm_statistics=False)
    work = time_plan.count_work(read(few_digits), PLAN, plain)
    assert work == time_plan.Work(1, validation, train + 2 * validation + test)
    more = time_plan.count_work(read(few_digits), PLAN, OPTIONS, probed_images=500)
    # Two passes over 20 images renew the batch norm statistics.
    assert more.end_images == work.end_images + 40 + 500


def read(few_digits):  # noqa: N802 - reads as a sentence
    return pipeline.TrainingInput(few_digits, SPEC, seed=3)


def count_up():
    """A clock of whole seconds: each look takes one."""
    return itertools.count().__next__


def build():
    keras.utils.set_random_seed(1)
    return fine_tuning.build(tiny_resnet(channels=1), 10)


def fit(model, data):
    options = dataclasses.replace(OPTIONS, epochs=1, steps_per_epoch=3)
    training.Trainer(model, options, score=None).fit(data, PLAN)
    return model.get_weights()


def test_training_after_a_rehearsal_is_the_same(few_digits):
    data = pipeline.TrainingInput(few_digits, SPEC, seed=3)
    model = build()
    before = model.get_weights()
    pace = time_plan.rehearse(model, data, PLAN, OPTIONS, seconds=10, clock=count_up())
    # A second from one look at the clock to the next one.
    assert pace == time_plan.Pace(1.0, 1.0, 1.0, 0.0, 1.0)
    for one, other in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(fit(model, data), fit(build(), data), strict=True):
        assert np.array_equal(one, other)


def test_scoring_is_its_start_and_a_part_for_each_image():
    now = [0.0]

    def score(paths):
        now[0] += 0.25 * len(paths) + (7.0 if not now[0] else 0.0)

    trace, image = time_plan.time_scoring(score, ["a", "b", "c"], 8, lambda: now[0])
    assert (trace, image) == (7.0, 0.25)
