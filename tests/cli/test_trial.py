"""A trial of a comparison, without a folder and without a process of its own."""

import re

import numpy as np
import pytest

from adafilter_tf import errors
from adafilter_tf.cli import dataset, trial, trial_model

FLAGS = [
    "--dataset=digits",
    "--backbone=resnet14",
    "--image_size=16",
    "--crop_fraction=1",
    "--examples_per_class=2",
    "--validation_fraction=0.02",
    "--test_fraction=0.03",
    "--test_seed=0",
    "--epochs=2",
    "--steps_per_epoch=2",
    "--batch_size=8",
]


@pytest.fixture
def flags(tmp_path):
    return [*FLAGS, f"--data_dir={tmp_path}"]


def test_trial_measures_what_it_may_and_is_repeatable(flags):
    arguments = [*flags, "--method=fine_tuning", "--learning_rate=0.1"]
    first = trial.run_trial(arguments, False)
    second = trial.run_trial(arguments, True)
    assert not [name for name in first if name.startswith("test")]
    assert (second["train_examples"], second["test_examples"]) == (20, 50)
    for name in ("train_accuracy", "validation_accuracy", "validation_loss"):
        assert first[name] == second[name]
    # ResNet14 without its source's head, and a head of 128 x 10 weights and 10 biases.
    assert second["trainable_parameters"] == 695_840 + 1290
    assert {"--seed=0", "--test_seed=0"} <= {*second["all_flags"]}
    assert "--gate_units=64" not in second["all_flags"]  # fine_tuning has none
    assert second["seconds"] > second["train_seconds"] > 0


def test_trial_says_what_the_gates_do(flags):
    gated = ["--method=adafilter", "--gate_from=stage3", "--epochs=1"]
    metrics = trial.run_trial([*flags, *gated], True)
    assert 0 < metrics["validation_gates"]["tuned_fraction"] < 1
    assert 0 <= metrics["validation_gates"]["moved_fraction"] < 1
    assert abs(metrics["validation_gates"]["class_information"]) < 1
    by_gates = metrics["test_accuracy_with_gates"]
    assert by_gates["own"] == metrics["test_accuracy"]
    assert [*by_gates][1:] == [
        "shuffled",
        "mean",
        "majority",
        "all_tuned",
        "all_frozen",
    ]


OWN_COSTS = ("seconds", "train_seconds")


def run_fresh(arguments):
    trial_model._LATEST.clear()
    return trial.run_trial(arguments, True)


@pytest.mark.parametrize(
    "method",
    [
        ["adafilter", "--gate_from=stage3", "--cache_frozen_features"],
        pytest.param(
            ["fine_tuning", "--tune_blocks=1", "--cache_frozen_features"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["adafilter", "--gate_noise=0.5", "--optimizer=adamw", "--ema_decay=0.5"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["lora", "--layer_decay=0.5", "--accumulation_steps=2"],
            marks=pytest.mark.slow,
        ),
        pytest.param(["spottune", "--label_smoothing=0.1"], marks=pytest.mark.slow),
        pytest.param(["l2_sp", "--early_stopping_patience=1"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_trial_that_uses_a_program_again_has_the_results_of_a_new_one(flags, method):
    shared = [*flags, f"--method={method[0]}", *method[1:]]
    first = [*shared, "--seed=1", "--learning_rate=0.1", "--gate_learning_rate=0.1"]
    second = [*shared, "--seed=2", "--learning_rate=0.01", "--head_learning_rate=0.3"]
    run_fresh(first)
    (program,) = trial_model._LATEST.values()
    again = trial.run_trial(second, True)
    assert [*trial_model._LATEST.values()] == [program]
    expected = run_fresh(second)
    assert [*trial_model._LATEST.values()] != [program]
    for name in expected.keys() - {*OWN_COSTS}:
        assert again[name] == expected[name], name


@pytest.mark.parametrize(
    "change",
    ["--batch_size=4", "--weight_decay=0.1", "--gate_noise=0.1", "--gate_units=8"],
)
def test_other_flags_make_another_program(flags, change):
    values = trial.parse_flags([*flags, "--method=adafilter"])
    changed = trial.parse_flags([*flags, "--method=adafilter", change])
    splits, _ = dataset.load_splits(values, dataset.load_source(values))
    describe = trial_model._describe_program
    assert describe(values, splits) == describe(values, splits)
    assert describe(values, splits) != describe(changed, splits)


@pytest.mark.parametrize(
    "never", ["--method=lp_ft", "--class_weights=balanced", "--weights=random"]
)
def test_programs_that_depend_on_the_seed_are_made_for_each_trial(flags, never):
    assert trial_model._is_reusable(trial.parse_flags(flags))
    assert not trial_model._is_reusable(trial.parse_flags([*flags, never]))


@pytest.mark.parametrize(
    "method",
    [
        ["--method=fine_tuning", "--tune_blocks=1"],
        ["--method=adafilter", "--gate_from=stage3"],
    ],
)
def test_divergence_is_a_bad_result_and_no_error(flags, method):
    metrics = trial.run_trial([*flags, *method, "--learning_rate=1e30"], True)
    assert not np.isfinite(metrics["train_loss"])
    assert metrics["validation_accuracy"] <= 0.2


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--learning_rat=1",
            "--learning_rat, an unknown flag. Did you mean --learning_rate",
        ),
        ("--batch_size=none", "batch_size=none"),
        ("--tune_blocks=2", "--tune_blocks, which --method=adafilter does not have"),
    ],
)
def test_flags_that_cannot_run_are_refused(flags, flag, message):
    assert trial.check_flags(flags) is None
    with pytest.raises(errors.UsageError, match=re.escape(message)):
        trial.check_flags([*flags, flag])


def test_missing_data_name_the_command_that_prepares_them(tmp_path):
    missing = [
        f"--dataset=folder:{tmp_path / 'nothing'}",
        "--backbone=resnet14",
        "--prepare_command=python -m tools.prepare_tasks --tasks=nothing",
    ]
    message = "nothing.* To prepare the data: python -m tools.prepare_tasks --tasks=no"
    with pytest.raises(errors.RunError, match=message):
        trial.check_task(missing)


def test_task_with_too_few_images_is_refused_before_anything_runs(flags):
    assert trial.check_task(flags) is None
    message = "fewer than examples_per_class=500"
    with pytest.raises(errors.RunError, match=message):
        trial.check_task([*flags, "--examples_per_class=500"])
