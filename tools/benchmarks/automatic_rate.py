r"""What --learning_rate=auto chooses, beside a whole training with each of its rates.

    python -m tools.benchmarks.automatic_rate \
        --flags="--dataset=digits --backbone=resnet14 --examples_per_class=10" \
        --methods=fine_tuning,adafilter --seeds=0,1

A line for each rate: validation accuracy after its short training, validation and test
accuracy after the whole one. A run with auto is the whole training of the chosen rate,
so nothing else needs to be trained. The last line of a table compares its test accuracy
with the best one.
"""

import pathlib
import tempfile

import keras
import tensorflow as tf
from absl import app, flags

from adafilter_tf import evaluation
from adafilter_tf.cli import dataset, probe, rate_search, settings, trial
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir

_FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of this tool."""
    flags.DEFINE_string("flags", "", "Flags of the trainings, separated by blanks.")
    flags.DEFINE_list("methods", ["fine_tuning"], "Methods.")
    flags.DEFINE_list("seeds", ["0"], "Seeds.")


def measure(arguments: list[str]) -> tuple[float, list[dict]]:
    """Searches a rate, then trains with each of the rates that it tried.

    Args:
        arguments: Flags of the run, each "--name=value".

    Returns:
        The chosen rate, and for each: `learning_rate`, `short_accuracy`,
        `validation_accuracy` and `test_accuracy` (0..1).
    """
    keras.backend.clear_session(free_memory=True)
    values = trial.parse_flags([*arguments, "--learning_rate=auto"])
    splits = dataset.make_splits(values, dataset.load_source(values))
    keras.utils.set_random_seed(values.seed)
    model = settings.build_model(values, values.method, len(splits.train.class_names))
    data = settings.training_input(values, model, splits)
    probe.start_head(values, model, data)
    options = settings.training_options(values, len(splits.train))
    strategy = tf.distribute.get_strategy()
    plan = rate_search.make_plan(values, values.method, strategy, splits.train)
    with tempfile.TemporaryDirectory() as root:
        folder = run_dir.RunDir(pathlib.Path(root))
        chosen = rate_search.find_rate(model, data, folder, plan, options)
        trials = atomic.read_json(folder.learning_rates)["trials"]
    rows = []
    whole = rate_search.RateTrials(model, data, plan, options)
    for each in trials:
        found = whole.train(each["learning_rate"])
        rows.append(
            {
                "learning_rate": each["learning_rate"],
                "short_accuracy": each["validation_accuracy"],
                **{
                    f"{split}_accuracy": evaluation.compute_metrics(
                        outputs.logits, getattr(splits, split).labels
                    )["accuracy"]
                    for split, outputs in found.items()
                },
            }
        )
    return chosen, rows


def main(argv: list[str]) -> None:
    """Prints a table for each method and seed."""
    del argv
    for method in _FLAGS.methods:
        for seed in _FLAGS.seeds:
            chosen, rows = measure(
                [*_FLAGS.flags.split(), f"--method={method}", f"--seed={seed}"]
            )
            print(f"{method}, seed {seed}: accuracy in %\n"
                  "rate      short  validation   test")  # fmt: skip
            for row in rows:
                names = "short_accuracy", "validation_accuracy", "test_accuracy"
                short, validation, test = (100 * row[name] for name in names)
                print(f"{row['learning_rate']:<8g} {short:6.1f} {validation:11.1f} "
                      f"{test:6.1f}")  # fmt: skip
            tests = {row["learning_rate"]: row["test_accuracy"] for row in rows}
            best = max(tests, key=lambda rate: tests[rate])
            print(
                f"auto chose {chosen:g}, {100 * (tests[best] - tests[chosen]):.1f} "
                f"points below the best on test images, {best:g}\n",
                flush=True,
            )


if __name__ == "__main__":
    define_flags()
    app.run(main)
