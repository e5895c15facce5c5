"""--learning_rate=auto: the search leaves no trace but its file."""

import json

import keras
import numpy as np
import pytest
from absl import flags

from adafilter_tf import errors, training
from adafilter_tf.cli import checks, rate_search, trial
from adafilter_tf.cli.flags import define_flags
from adafilter_tf.data import pipeline
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.methods import fine_tuning
from adafilter_tf.optim import optimizers, stages
from adafilter_tf.runs import run_dir
from tests.conftest import tiny_resnet

SPEC = ImageSpec(image_size=8, channels=1, crop_fraction=1.0)
OPTIONS = training.TrainingOptions(
    epochs=4, steps_per_epoch=5, batch_size=8, log_every=50
)
# A rate that the optimizer never has unless it is replaced.
PLAN = training.TrainingPlan(
    stages.train_all(), optimizers.OptimizerOptions("sgd", 7e7, 0.1, 0.01)
)


def build():
    keras.utils.set_random_seed(1)
    return fine_tuning.build(tiny_resnet(channels=1), 10)


def fit(model, data, rate):
    trainer = training.Trainer(model, OPTIONS, score=None, quiet=True)
    trainer.fit(data, rate_search.replace_rate(PLAN, rate))
    return model.get_weights()


def test_training_after_the_search_is_that_of_the_chosen_rate(
    few_digits, tmp_path, monkeypatch
):
    monkeypatch.setitem(rate_search.RATES, "sgd", (1e-8, 0.1, 1e8))
    data = pipeline.TrainingInput(few_digits, SPEC, seed=3)
    folder = run_dir.RunDir(tmp_path / "run")
    model = build()
    chosen = rate_search.find_rate(model, data, folder, PLAN, OPTIONS)
    record = json.loads(folder.learning_rates.read_text())
    assert chosen == record["learning_rate"]
    slow, usual, diverged = record["trials"]
    assert [slow["learning_rate"], usual["learning_rate"]] == [1e-8, 0.1]
    best = max(slow, usual, key=lambda trial: trial["validation_accuracy"])
    assert chosen == best["learning_rate"] or (
        slow["validation_accuracy"] == usual["validation_accuracy"]
    )
    assert diverged["validation_loss"] is None or diverged["validation_loss"] > 10
    assert record["steps"] == 6  # a third of 20
    weights = fit(model, data, chosen)
    for one, other in zip(weights, fit(build(), data, chosen), strict=True):
        assert np.array_equal(one, other)
    # The folder's record is kept: nothing is left to train with.
    assert rate_search.find_rate(None, None, folder, PLAN, OPTIONS) == chosen


def test_accuracy_counts_before_loss_and_what_diverged_comes_last():
    def make(accuracy, loss):
        return {"validation_accuracy": accuracy, "validation_loss": loss}

    ordered = [make(0.9, None), make(0.2, 9.0), make(0.5, 3.0), make(0.5, 2.0)]
    assert sorted(reversed(ordered), key=rate_search._rank) == ordered


@pytest.mark.parametrize(("steps", "each"), [(600, 120), (9, 1), (3, 1)])
def test_searches_of_two_stages_share_the_steps(steps, each):
    options = training.TrainingOptions(1, steps, batch_size=8, log_every=1)
    short = rate_search.shorten(options, stages=1, trials=5)
    assert short.total_steps == each
    two = rate_search.shorten(options, stages=2, trials=5, least_steps=4)
    assert two.epochs == 2
    assert two.steps_per_epoch == max(4, steps // 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--time_limit=9m"], "--learning_rate=auto with --time_limit=9m"),
        (["--mode=find_learning_rate"], "--mode=find_learning_rate"),
        (["--method=fine_tuning", "--tune_blocks=none"], "without tuned blocks"),
    ],
)
def test_auto_that_cannot_be_is_refused(arguments, message):
    values = flags.FlagValues()
    define_flags(values)
    values(["run", "--output_dir=x", "--learning_rate=auto", *arguments])
    with pytest.raises(errors.UsageError, match=message):
        checks.check_flags(values)


def test_comparison_names_its_rates():
    with pytest.raises(errors.UsageError, match=r"learning_rate=0\.003\|0\.01"):
        trial.check_flags(["--learning_rate=auto"])
