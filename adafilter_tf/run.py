"""The command line: python -m adafilter_tf.run --flagfile=configs/quickstart.cfg."""

import errno
import functools
import json
import logging as std_logging
import pathlib
import sys

import adafilter_tf.startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
from absl import app, flags, logging

from adafilter_tf import (
    cell,
    distribution,
    errors,
    evaluation,
    flagfile,
    model_file,
    prediction,
    reference_bands,
    run_dir,
    run_export,
    settings,
    summary,
    training,
    training_run,
)
from adafilter_tf import flags as run_flags
from adafilter_tf.comparison import parsing, report, runner, store
from adafilter_tf.data import splits, verification
from adafilter_tf.data.examples import Splits
from adafilter_tf.models import backbones

FLAGS = flags.FLAGS


def train() -> None:
    """Trains, evaluates on test and exports; the baseline too, if there is one."""
    run_export.check_formats(FLAGS.export_formats)
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    with run_dir.claim(folder, flagfile.to_flagfile()):
        examples = _load_splits(folder)
        metrics = [_train_method(FLAGS.method, examples, folder)]
        if FLAGS.baseline:
            baseline = run_dir.RunDir(folder.root / f"baseline_{FLAGS.baseline}")
            metrics.append(_train_method(FLAGS.baseline, examples, baseline))
        found = {
            name: run_export.find_export(folder, name) for name in FLAGS.export_formats
        }
        written = _export(folder, [name for name, path in found.items() if not path])
        print(summary.summarize(folder, metrics, {**found, **written}))


def evaluate() -> None:
    """Scores the trained model on the run's test split; prints the metrics as JSON."""
    folder = _open_run()
    test = splits.read_splits(folder.splits).test
    score = evaluation.create_scorer(
        model_file.load_model(folder.model),
        **settings.image_options(FLAGS),
        batch_size=FLAGS.batch_size,
    )
    print(json.dumps(training.measure_split(score, test, "test"), indent=2))


def predict() -> None:
    """Writes one CSV row per image of --images."""
    folder = _open_run()
    if not FLAGS.images:
        raise errors.UsageError(
            "--mode=predict needs --images: files, folders or globs, separated by "
            "commas."
        )
    paths = prediction.expand_images(FLAGS.images)
    rows = prediction.predict_paths(
        model_file.load_model(folder.model),
        paths,
        class_names=_read_labels(folder),
        batch_size=FLAGS.batch_size,
        top_k=FLAGS.top_k,
        **settings.image_options(FLAGS),
    )
    if FLAGS.predictions:
        prediction.save_csv(rows, FLAGS.predictions)
    else:
        prediction.write_csv(rows, sys.stdout)


def export_model() -> None:
    """Writes the model for other programs; prints what it wrote, one a line."""
    formats = FLAGS.export_formats
    run_export.check_formats(formats)
    print("\n".join(_export(_open_run(), formats).values()))


def compare() -> None:
    """Trains methods x tasks x seeds and writes tables and a plot."""
    plan = parsing.parse_plan(
        FLAGS.task,
        FLAGS.row,
        FLAGS.seeds,
        FLAGS.search_seeds,
        common=["--test_seed=0", *flagfile.list_given()],
        task_flags=cell.TASK_FLAGS,
    )
    parsing.check_cells(plan, cell.check_flags)
    for task in plan.tasks:
        first = next(c for c in plan.final_cells({}) if c.task == task.name)
        cell.check_task(list(first.flags), FLAGS.prepare_command)
    folder = pathlib.Path(FLAGS.output_dir)
    with store.open_store(folder, plan) as cells:
        runner.run_plan(
            plan,
            cells,
            cell.run_cell,
            workers=FLAGS.workers or cell.count_workers(),
            report=functools.partial(print, flush=True),
            initialize=cell.initialize_worker,
        )
        print(report.write_report(folder, plan, cells))


MODES = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "export": export_model,
    "compare": compare,
}


def _train_method(method: str, examples: Splits, folder: run_dir.RunDir) -> dict:
    if folder.metrics.exists() and folder.model.exists():
        logging.info("The run in %s is complete.", folder.root)
        return json.loads(folder.metrics.read_text())
    logging.info("Training %s in %s.", method, folder.root)
    strategy = distribution.create_strategy(FLAGS.devices)
    distribution.check_batch_size(FLAGS.batch_size, strategy.num_replicas_in_sync)
    keras.utils.set_random_seed(FLAGS.seed)
    with strategy.scope():
        model = settings.build_model(
            FLAGS,
            method,
            len(examples.train.class_names),
            synchronized=strategy.num_replicas_in_sync > 1,
        )
    metrics = training_run.train(
        model,
        examples,
        folder,
        settings.make_procedure(FLAGS, method, strategy),
        method=method,
        image_options=settings.image_options(FLAGS),
        options=settings.training_options(FLAGS, len(examples.train)),
        augmentation=settings.augmentation(FLAGS),
        safety=settings.safety_options(FLAGS),
        report={
            "method": method,
            "backbone": FLAGS.backbone,
            "dataset": FLAGS.dataset,
            "seed": FLAGS.seed,
        },
    )
    _compare_with_published(method, metrics)
    return metrics


def _compare_with_published(method: str, metrics: dict) -> None:
    """Warns of an accuracy far below what such a run is known to reach."""
    warning = reference_bands.describe_shortfall(
        FLAGS.dataset,
        FLAGS.backbone,
        metrics["test_accuracy"],
        weights=FLAGS.weights,
        frozen=method == "fine_tuning" and FLAGS.tune_blocks == "none",
    )
    if warning and FLAGS.examples_per_class is None:
        logging.warning("%s", warning)


def _load_splits(folder: run_dir.RunDir) -> Splits:
    """Returns the run's splits: the written ones, or new ones that it writes."""
    if folder.splits.exists():
        return splits.read_splits(folder.splits)
    examples = settings.make_splits(FLAGS, settings.load_source(FLAGS))
    examples, skipped = verification.verify_images(
        examples,
        on_bad_image=FLAGS.on_bad_image,
        channels=backbones.get_spec(FLAGS.backbone).channels,
    )
    if skipped:
        verification.write_skipped(skipped, folder.skipped_images)
    run_dir.write_text(
        folder.labels, "".join(f"{name}\n" for name in examples.train.class_names)
    )
    splits.write_splits(examples, folder.splits)
    return examples


def _open_run() -> run_dir.RunDir:
    """Returns the run in --output_dir and takes its settings."""
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    for path in (folder.flagfile, folder.model):
        if not path.exists():
            raise errors.RunError(
                f"--output_dir={folder.root} has no {path.name}: --mode={FLAGS.mode} "
                "needs a finished run. Train it first with --mode=train."
            )
    flagfile.apply_saved(folder.flagfile.read_text(), str(folder.flagfile))
    return folder


def _read_labels(folder: run_dir.RunDir) -> list[str]:
    return folder.labels.read_text(encoding="utf-8").splitlines()


def _export(folder: run_dir.RunDir, formats: list[str]) -> dict[str, str]:
    # TensorFlow tells every function that it traces and every file that it writes.
    logging.set_verbosity(logging.WARNING)
    try:
        return run_export.export_run(
            folder,
            formats,
            image_options=settings.image_options(FLAGS),
            top_k=FLAGS.top_k,
        )
    finally:
        logging.set_verbosity(logging.INFO)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; a wrong one ends with exit code 2 and one line."""
    try:
        rest = FLAGS(argv)
        if len(rest) > 1:
            raise errors.UsageError(
                f"Received {rest[1]!r}, which is no flag; each flag is --name=value, "
                "one a line in a flagfile."
            )
    except (flags.Error, errors.UsageError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"Error: {message} See --help.", file=sys.stderr)
        sys.exit(errors.UsageError.exit_code)
    return rest


def main(argv: list[str]) -> None:
    """Runs the mode; an error that the user can mend is one line without traceback."""
    del argv
    logging.set_verbosity(logging.INFO)
    std_logging.getLogger("tensorflow").setLevel(std_logging.WARNING)
    try:
        if keras.backend.backend() != "tensorflow":
            raise errors.UsageError(
                f"Received KERAS_BACKEND={keras.backend.backend()}; this command needs "
                "tensorflow. The layers, models and methods run on every backend."
            )
        if not FLAGS.output_dir:
            raise errors.UsageError("--output_dir is missing: the folder of the run.")
        if FLAGS.mode != "compare":
            flagfile.check_unused()
        if FLAGS.mode == "train":
            settings.resolve_defaults(FLAGS)
        MODES[FLAGS.mode]()
    except errors.RunError as error:
        prefix = "" if isinstance(error, errors.Preempted) else "Error: "
        print(f"{prefix}{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            f"Error: {error}; make room and give the same command again.",
            file=sys.stderr,
        )
        sys.exit(errors.RunError.exit_code)
    except KeyboardInterrupt:
        print(
            "Interrupted; the same command goes on from the last checkpoint.",
            file=sys.stderr,
        )
        sys.exit(130)


if __name__ == "__main__":
    run_flags.define_flags()
    flags.adopt_module_key_flags(run_flags)
    app.run(main, flags_parser=_parse)
