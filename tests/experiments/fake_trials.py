"""Plans and trials without training, for the tests of a comparison."""

import os
import pathlib
import signal
import time

from adafilter_tf import errors
from adafilter_tf.experiments import parsing

TASK_FLAGS = ("dataset", "epochs", "seed")
TASKS = ["digits dataset=digits epochs=2", "toys dataset=folder:toys epochs=4"]
ROWS = [
    "fine_tuning method=fine_tuning learning_rate=0.1|1",
    "l2_sp method=l2_sp learning_rate=1 starting_point_penalty=0.01|0.1",
]


def make_plan(tasks=TASKS, rows=ROWS, seeds=("0", "1"), search_seeds=("100",), **other):
    options = {"common": ["--batch_size=8"], "task_flags": TASK_FLAGS, **other}
    return parsing.parse_plan(tasks, rows, seeds, search_seeds, **options)


def make_metrics(**changes):
    return {
        "validation_accuracy": 0.9,
        "validation_loss": 0.5,
        "train_accuracy": 1.0,
        "train_seconds": 8.0,
        "seconds": 10.0,
        "trainable_parameters": 500_000,
        "parameters": 1_000_000,
        "test_accuracy": 0.8,
        "test_examples": 50,
        **changes,
    }


def initialize(worker, num_workers):
    os.environ["FAKE_WORKER"] = f"{worker} of {num_workers}"


def run_trial(flags, measure_test):
    """The accuracy comes from the flags, so a wrong trial would show."""
    penalty = "--starting_point_penalty=0.1" in flags
    metrics = make_metrics(validation_accuracy=0.95 if penalty else 0.9)
    if not measure_test:
        del metrics["test_accuracy"]
    return {**metrics, "process": os.getpid(), "worker": os.environ.get("FAKE_WORKER")}


def run_trial_or_die(flags, measure_test):
    if "--seed=0" in flags and "--method=l2_sp" in flags:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.5)
    return run_trial(flags, measure_test)


def run_trial_or_raise(flags, measure_test):
    if "--seed=1" in flags:
        raise errors.RunError("The loss is nan; lower --learning_rate.")
    return run_trial(flags, measure_test)


def run_forever(flags, measure_test):
    """Says that it runs by a file in the folder that --dataset names."""
    [folder] = (
        flag.split("=")[1].removeprefix("folder:")
        for flag in flags
        if flag.startswith("--dataset")
    )
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(600)
