"""The command line: python -m adafilter_tf.run --flagfile=configs/quickstart.cfg."""

import json
import logging as std_logging
import pathlib
import sys

import adafilter_tf.startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
from absl import app, flags, logging

from adafilter_tf import (
    distribution,
    errors,
    evaluation,
    export,
    flagfile,
    methods,
    optimization,
    prediction,
    run_dir,
    summary,
    training,
)
from adafilter_tf import flags as run_flags
from adafilter_tf.data import augmentation, sources, splits, verification
from adafilter_tf.data.examples import Splits
from adafilter_tf.models import backbones, classifier

FLAGS = flags.FLAGS


def train() -> None:
    """Trains, evaluates on test and exports; the baseline too, if there is one."""
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    with run_dir.claim(folder, flagfile.to_flagfile()):
        examples = _load_splits(folder)
        metrics = [_train_method(FLAGS.method, examples, folder)]
        if FLAGS.baseline:
            baseline = run_dir.RunDir(folder.root / f"baseline_{FLAGS.baseline}")
            metrics.append(_train_method(FLAGS.baseline, examples, baseline))
        if not folder.list_exports():
            _export(folder)
        print(summary.summarize(folder, metrics))


def evaluate() -> None:
    """Scores the trained model on the run's test split; prints the metrics as JSON."""
    folder = _open_run()
    test = splits.read_splits(folder.splits).test
    score = evaluation.create_scorer(
        _load_model(folder), **_image_options(), batch_size=FLAGS.batch_size
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
        _load_model(folder),
        paths,
        class_names=_read_labels(folder),
        batch_size=FLAGS.batch_size,
        top_k=FLAGS.top_k,
        **_image_options(),
    )
    if FLAGS.predictions:
        prediction.save_csv(rows, FLAGS.predictions)
    else:
        prediction.write_csv(rows, sys.stdout)


def export_model() -> None:
    """Writes the next version of the SavedModel; prints its folder."""
    print(_export(_open_run()))


MODES = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "export": export_model,
}


def _train_method(method: str, examples: Splits, folder: run_dir.RunDir) -> dict:
    if folder.metrics.exists() and folder.model.exists():
        logging.info("The run in %s is complete.", folder.root)
        return json.loads(folder.metrics.read_text())
    logging.info("Training %s in %s.", method, folder.root)
    strategy = distribution.create_strategy(FLAGS.devices)
    distribution.check_batch_size(FLAGS.batch_size, strategy.num_replicas_in_sync)
    steps_per_epoch = FLAGS.steps_per_epoch or -(
        -len(examples.train) // FLAGS.batch_size
    )
    total_steps = FLAGS.epochs * steps_per_epoch
    keras.utils.set_random_seed(FLAGS.seed)
    with strategy.scope():
        model = _build_model(method, examples, strategy.num_replicas_in_sync > 1)
        training.compile_model(
            model,
            optimization.create_optimizer(
                _optimizer_options(), total_steps=total_steps
            ),
            jit_compile=distribution.use_jit_compile(FLAGS.jit_compile, strategy),
        )
    return training.train(
        model,
        examples,
        folder,
        method=method,
        image_options=_image_options(),
        options=training.TrainingOptions(
            epochs=FLAGS.epochs,
            steps_per_epoch=steps_per_epoch,
            batch_size=FLAGS.batch_size,
            seed=FLAGS.seed,
            cache=FLAGS.cache,
            log_every=FLAGS.log_every,
        ),
        augmentation=augmentation.Augmentation(
            random_resized_crop_min_area=FLAGS.random_resized_crop_min_area,
            horizontal_flip=FLAGS.horizontal_flip,
            randaugment=FLAGS.randaugment,
            mixup_alpha=FLAGS.mixup_alpha,
        ),
        report={
            "method": method,
            "backbone": FLAGS.backbone,
            "dataset": FLAGS.dataset,
            "seed": FLAGS.seed,
        },
    )


def _build_model(method: str, examples: Splits, synchronized: bool) -> keras.Model:
    backbone = backbones.build_backbone(
        FLAGS.backbone,
        image_size=FLAGS.image_size,
        weights=FLAGS.weights,
        synchronized=synchronized,
    )
    hyperparameters = {
        name: FLAGS[name].value for name in methods.list_hyperparameters(method)
    }
    model = methods.METHODS[method](
        backbone, len(examples.train.class_names), **hyperparameters
    )
    classifier.initialize_head(model, FLAGS.seed)
    return model


def _load_splits(folder: run_dir.RunDir) -> Splits:
    """Returns the run's splits: the written ones, or new ones that it writes."""
    if folder.splits.exists():
        return splits.read_splits(folder.splits)
    examples = splits.make_splits(
        sources.load_source(FLAGS.dataset, data_dir=FLAGS.data_dir),
        seed=FLAGS.seed,
        validation_fraction=FLAGS.validation_fraction,
        test_fraction=FLAGS.test_fraction,
        examples_per_class=FLAGS.examples_per_class,
    )
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


def _load_model(folder: run_dir.RunDir) -> keras.Model:
    return keras.saving.load_model(folder.model, compile=False)


def _read_labels(folder: run_dir.RunDir) -> list[str]:
    return folder.labels.read_text(encoding="utf-8").splitlines()


def _export(folder: run_dir.RunDir) -> str:
    # TensorFlow tells every function that it traces and every file that it writes.
    logging.set_verbosity(logging.WARNING)
    try:
        return export.export_saved_model(
            _load_model(folder),
            str(folder.export),
            class_names=_read_labels(folder),
            **_image_options(),
        )
    finally:
        logging.set_verbosity(logging.INFO)


def _image_options() -> dict:
    return {
        "image_size": FLAGS.image_size,
        "channels": backbones.get_spec(FLAGS.backbone).channels,
        "crop_fraction": FLAGS.crop_fraction,
    }


def _optimizer_options() -> optimization.OptimizerOptions:
    return optimization.OptimizerOptions(
        optimizer=FLAGS.optimizer,
        learning_rate=FLAGS.learning_rate,
        head_learning_rate=FLAGS.head_learning_rate,
        gate_learning_rate=FLAGS.gate_learning_rate,
        weight_decay=FLAGS.weight_decay,
        warmup_fraction=FLAGS.warmup_fraction,
    )


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
        flagfile.check_unused()
        if FLAGS.mode == "train":
            _resolve_defaults()
        MODES[FLAGS.mode]()
    except errors.RunError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print(
            "Interrupted; the same command goes on from the last checkpoint.",
            file=sys.stderr,
        )
        sys.exit(130)


def _resolve_defaults() -> None:
    """Replaces defaults that depend on the backbone or the machine by their values."""
    spec = backbones.get_spec(FLAGS.backbone)
    FLAGS.image_size = FLAGS.image_size or spec.image_size
    if FLAGS.precision == "auto":
        FLAGS.precision = "mixed_float16" if distribution.has_gpu() else "float32"
    keras.config.set_dtype_policy(FLAGS.precision)


if __name__ == "__main__":
    run_flags.define_flags()
    flags.adopt_module_key_flags(run_flags)
    app.run(main, flags_parser=_parse)
