"""--mode=train: fine-tunes, evaluates on test and exports."""

import pathlib

import keras
from absl import flags, logging

from adafilter_tf import (
    distribution,
    flagfile,
    reference_bands,
    run_dir,
    run_export,
    settings,
    summary,
    training_run,
    training_settings,
)
from adafilter_tf.data import image_record, manifest, splits, verification
from adafilter_tf.data.examples import Splits
from adafilter_tf.models import backbones
from adafilter_tf.modes import export

FLAGS = flags.FLAGS


def run() -> None:
    """Trains, evaluates on test and exports; the baseline too, if there is one."""
    run_export.check_formats(FLAGS.export_formats)
    settings.augmentation(FLAGS)  # a package that it needs may be missing
    settings.logging_options(FLAGS, FLAGS.method)  # and a value wrong
    settings.stopping_options(FLAGS)
    folder = run_dir.RunDir(pathlib.Path(FLAGS.output_dir))
    if FLAGS.recipe:
        examples = settings.make_splits(FLAGS, settings.load_source(FLAGS))
        print(settings.apply_recipe(FLAGS, examples.train))
    with run_dir.claim(folder, flagfile.to_flagfile()):
        examples = _load_splits(folder)
        metrics = [
            _train_method(method, examples, each)
            for method, each in zip(
                (FLAGS.method, FLAGS.baseline), _list_folders(folder), strict=False
            )
        ]
        found = {
            name: run_export.find_export(folder, name) for name in FLAGS.export_formats
        }
        written = export.export_run(
            folder, [name for name, path in found.items() if not path]
        )
        print(summary.summarize(folder, metrics, {**found, **written}))


def _train_method(method: str, examples: Splits, folder: run_dir.RunDir) -> dict:
    if folder.is_complete():
        logging.info("The run in %s is complete.", folder.root)
        return run_dir.read_json(folder.metrics, needs=summary.NEEDS)
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
        training_settings.make_procedure(FLAGS, method, strategy, examples.train),
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
        stopping=settings.stopping_options(FLAGS),
        log=settings.logging_options(FLAGS, method),
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
    if folder.has_started():
        begun = splits.read_splits(folder.splits)
        if not _is_complete(folder):
            _check_data(begun, folder)
        return begun
    examples = settings.make_splits(FLAGS, settings.load_source(FLAGS))
    examples, skipped = verification.verify_images(
        examples,
        settings.bad_image_rule(FLAGS),
        channels=backbones.get_spec(FLAGS.backbone).channels,
        cache=manifest.default_path(FLAGS.dataset, FLAGS.data_dir),
    )
    if skipped:
        verification.write_skipped(skipped, folder.skipped_images)
    run_dir.write_text(
        folder.labels, "".join(f"{name}\n" for name in examples.train.class_names)
    )
    image_record.write_record(examples, folder.images)
    splits.write_splits(examples, folder.splits)
    return examples


def _check_data(begun: Splits, folder: run_dir.RunDir) -> None:
    """Refuses to go on with other data than the run began with."""
    image_record.check_lists(
        settings.make_splits(FLAGS, settings.load_source(FLAGS)),
        begun,
        dataset=FLAGS.dataset,
        left_out=verification.read_skipped(folder.skipped_images),
    )
    image_record.check_images(begun, folder.images)


def _list_folders(folder: run_dir.RunDir) -> list[run_dir.RunDir]:
    """Returns the folder of the method, and the baseline's if there is one."""
    if not FLAGS.baseline:
        return [folder]
    return [folder, run_dir.RunDir(folder.root / f"baseline_{FLAGS.baseline}")]


def _is_complete(folder: run_dir.RunDir) -> bool:
    return all(each.is_complete() for each in _list_folders(folder))
