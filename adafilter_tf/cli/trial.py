"""One trial of a comparison: a short training in memory, measured and forgotten."""

import functools
import math
import os
import time

import keras
import tensorflow as tf
from absl import flags, logging

from adafilter_tf import errors, training
from adafilter_tf.cli import checks, dataset, flagfile, settings, trial_model
from adafilter_tf.cli.flags import choices
from adafilter_tf.data import sources
from adafilter_tf.data.examples import Splits
from adafilter_tf.evaluation import gate_statistics
from adafilter_tf.runs import run_callbacks
from adafilter_tf.training.callbacks import stopwatch, validation

# What is learned and with which budget: the same for all methods of a comparison.
TASK_FLAGS = (
    "dataset",
    "prepare_command",
    "data_dir",
    "image_key",
    "label_key",
    "backbone",
    "weights",
    "pixel_range",
    "features_layer",
    "image_size",
    "examples_per_class",
    "validation_fraction",
    "test_fraction",
    "test_seed",
    "crop_fraction",
    "random_resized_crop_min_area",
    "horizontal_flip",
    "randaugment",
    "augmentation",
    "mixup_alpha",
    "on_bad_image",
    "cache",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "precision",
    "seed",
)

# Flags that have an effect or none whatever the other trials are.
_CHECKED = ("cache", "image_key", "label_key", "max_bad_fraction", "monitor")


def initialize_worker(worker: int, num_workers: int) -> None:
    """Assigns a process its devices or cores, before TensorFlow initializes them.

    Args:
        worker: Index of the process; with GPUs it works on GPU `worker` modulo their
            number.
        num_workers: How many processes share the machine.
    """
    logging.set_verbosity(logging.WARNING)
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[worker % len(gpus)], "GPU")
    elif num_workers > 1:
        threads = max(1, _count_cores() // num_workers)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def count_workers() -> int:
    """Returns how many processes use the machine well: one a GPU, or one a core."""
    return len(tf.config.list_physical_devices("GPU")) or _count_cores()


def _count_cores() -> int:
    return len(os.sched_getaffinity(0))


def parse_flags(arguments: list[str]) -> flags.FlagValues:
    """Returns all flags of a trial, those not in `arguments` at their defaults."""
    values = flagfile.parse(arguments)
    settings.resolve_defaults(values)
    return values


def check_flags(arguments: list[str]) -> None:
    """Checks that a trial's flags exist, have allowed values and are all used.

    Raises:
        UsageError: Otherwise.
    """
    values = parse_flags(arguments)
    if values.recipe:
        raise errors.UsageError(
            f"Received recipe={values.recipe} in a comparison, whose tasks say "
            "themselves how long and on what they train. Run --mode=train with the "
            "recipe and put the values that it prints into the tasks and rows."
        )
    if values.time_limit:
        raise errors.UsageError(
            f"Received time_limit={values.time_limit} in a comparison or a search, "
            "whose trainings have --epochs epochs each; remove it."
        )
    if values.learning_rate == choices.AUTO:
        raise errors.UsageError(
            "Received learning_rate=auto in a comparison or a search, which choose "
            "among rates themselves: name them, as in learning_rate=0.003|0.01|0.05."
        )
    flagfile.check_unused(values)
    checks.check_effects(values, _CHECKED)


def check_task(arguments: list[str], prepare_command: str | None = None) -> None:
    """Checks that a task's images exist, suffice and can be read.

    Args:
        arguments: Flags of one of its trials.
        prepare_command: What prepares the data of tasks that do not say it themselves.

    Raises:
        RunError: Otherwise, with the command that prepares the data.
    """
    values = parse_flags(arguments)
    try:
        source = _load_source(values.dataset, **dataset.source_options(values))
        dataset.make_splits(values, source)
        # Every image of any seed's training split.
        values["examples_per_class"].value = None
        dataset.load_splits(values, source)
    except errors.RunError as error:
        remedy = values.prepare_command or prepare_command
        raise errors.RunError(
            f"{error} To prepare the data: {remedy}" if remedy else str(error)
        ) from error


def run_trial(arguments: list[str], measure_test: bool) -> dict:
    """Trains one model and measures it.

    Trials that differ in their seed and rates alone share what was built and traced for
    the first of them, see `trial_model.TrialModel`; their results are the same as if
    each ran in a process of its own.

    Args:
        arguments: Flags of the run, each "--name=value".
        measure_test: Whether the test images are scored, once.

    Returns:
        Accuracies 0..1 of the splits (`train_accuracy` without augmentation), losses
        in nats, `train_seconds`, `seconds` in all, parameters, `all_flags` with the
        defaults. Of a network with gates also `validation_gates`, what they choose
        there, and with test images `test_accuracy_with_gates`, see
        `gate_interventions.GateInterventions.measure_effect`; mean and majority are
        those of the training images. A training that diverged has the accuracy of its
        useless weights and a non-finite loss.
    """
    started = time.monotonic()
    values = parse_flags(arguments)
    splits, _ = dataset.load_splits(
        values, _load_source(values.dataset, **dataset.source_options(values))
    )
    trained = trial_model.start(values, splits)
    validation_paths = splits.validation.paths
    initial_gates = {}
    if trained.has_gates:
        initial_gates = trained.score(validation_paths).gates
    metrics = {
        **training.count_parameters(trained.model),
        **_train(values, trained, splits),
        **_measure(trained, splits, initial_gates, measure_test),
    }
    return {
        **metrics,
        "seconds": time.monotonic() - started,
        "all_flags": flagfile.to_flagfile(values).splitlines(),
    }


def _train(values, trained: trial_model.TrialModel, splits: Splits) -> dict:
    """Returns `train_seconds` and what the training found out."""
    clock = stopwatch.Stopwatch()
    callbacks: list[keras.callbacks.Callback] = [clock]
    stopper = run_callbacks.create_stopper(settings.stopping_options(values), None)
    if stopper:
        validate = validation.Validation(trained.score, splits.validation, None)
        callbacks += [validate, stopper]
    found = trained.trainer.fit(
        settings.training_input(values, trained.model, splits),
        trial_model.make_plan(values, splits),
        callbacks=callbacks,
        stopper=stopper,
    )
    return {**found, "train_seconds": clock.seconds}


def _measure(trained, splits: Splits, initial_gates, measure_test: bool) -> dict:
    """Returns the metrics of the splits and of the gates; see `run_trial`."""
    fitted, validated = (
        trained.score(of.paths) for of in (splits.train, splits.validation)
    )
    metrics = {
        **training.measure_outputs(fitted, splits.train.labels, "train"),
        **training.measure_outputs(validated, splits.validation.labels, "validation"),
    }
    # Gates of a network that diverged may be NaN.
    has_gates = trained.has_gates and math.isfinite(metrics["validation_loss"])
    if has_gates:
        metrics["validation_gates"] = _measure_gates(
            validated.gates, initial_gates, splits.validation.labels
        )
    if not measure_test:
        return metrics
    tested = trained.score(splits.test.paths)
    metrics |= training.measure_outputs(tested, splits.test.labels, "test")
    if has_gates:
        metrics["test_accuracy_with_gates"] = trained.interventions.measure_effect(
            splits.test, tested.gates, fitted.gates
        )
    return metrics


def _measure_gates(gates, start, labels) -> dict[str, float | None]:
    """Returns what the gates choose, and how far they differ from initialization."""
    statistics = gate_statistics.gate_statistics(gates, start)
    return {
        "tuned_fraction": statistics.tuned_fraction,
        "image_dependent_fraction": statistics.image_dependent_fraction,
        "moved_fraction": statistics.changed_fraction,
        "class_information": gate_statistics.class_mutual_information(gates, labels),
    }


# The same files serve all trials of a task; a process reads their names once.
@functools.cache
def _load_source(name: str, **options: str | None):
    return sources.load_source(name, **options)
