"""--mode=train: fine-tunes, evaluates on test and exports."""

import contextlib
import dataclasses
import os
import pathlib
import time

import keras
from absl import flags, logging

from adafilter_tf import distribution, errors, evaluation, training
from adafilter_tf.cli import (
    dataset,
    finished_run,
    flagfile,
    probe,
    rate_search,
    run_report,
    settings,
    summary,
)
from adafilter_tf.cli.flags import choices, definition
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.data.integrity import image_record, manifest, verification
from adafilter_tf.distribution import workers
from adafilter_tf.evaluation import published
from adafilter_tf.files import atomic
from adafilter_tf.runs import (
    run_dir,
    run_export,
    run_options,
    time_limit,
    training_run,
)

# The metrics, and the outputs for the test images of a training that ended just now.
_Trained = tuple[dict, evaluation.Outputs | None]


def run(values: flags.FlagValues, started: float | None = None) -> None:
    """Trains, evaluates on test and exports; the baseline too, if there is one.

    Args:
        values: The run's flags.
        started: When the command began, by `time.monotonic`; None for now.
    """
    started = time.monotonic() if started is None else started
    run_export.check_formats(values.export_formats)
    settings.augmentation(values)  # a package that it needs may be missing
    settings.logging_options(values, values.method)  # and a value wrong
    stopping = settings.stopping_options(values)
    strategy = distribution.create_strategy(values.distribution, values.devices)
    team = workers.Workers(strategy)
    if team.count > 1 and stopping != run_options.StoppingOptions():
        raise errors.UsageError(
            "Received a flag of early stopping on several workers, which cannot stop "
            "early yet; leave it out, or train on one machine."
        )
    if team.count > 1:
        _check_one_machine(values)
    folder = run_dir.RunDir(pathlib.Path(values.output_dir))
    with team.report_lost(), contextlib.ExitStack() as held:
        _apply_recipe(values, team)
        distribution.check_batch_size(values.batch_size, strategy.num_replicas_in_sync)
        _claim(values, folder, team, held)
        examples = _share_splits(values, folder, team)
        folders = _list_folders(values, folder)
        trained = [
            _train_method(
                values,
                (values.method, values.baseline)[index],
                examples,
                each,
                strategy,
                team,
                deadline=_set_deadline(values, started, index, len(folders)),
            )
            for index, each in enumerate(folders)
        ]
        # The others wait, so that all of them end as the chief does.
        team.broadcast_from_chief(
            lambda: _finish(values, folder, trained, examples.test)
        )


def _check_one_machine(values: flags.FlagValues) -> None:
    """Refuses what several workers cannot find out together."""
    measured = {
        "time_limit": values.time_limit is not None,
        "learning_rate": values.learning_rate == choices.AUTO,
    }
    for name, is_given in measured.items():
        if is_given:
            raise errors.UsageError(
                f"Received {values[name].serialize()} on several workers, which cannot "
                "measure it together yet; leave it out, or train on one machine."
            )


def _apply_recipe(values: flags.FlagValues, team: workers.Workers) -> None:
    """Sets the flags of --recipe as the chief finds them for its images."""
    if not values.recipe:
        return

    def apply() -> dict:
        examples = dataset.make_splits(values, dataset.load_source(values))
        print(settings.apply_recipe(values, examples.train))
        return {name: values[name].value for name in flagfile.recorded_names(values)}

    for name, value in team.broadcast_from_chief(apply).items():
        if not values[name].present:
            values[name].value = value


def _claim(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    team: workers.Workers,
    held: contextlib.ExitStack,
) -> None:
    """Locks the folder for the chief until `held` is closed."""
    own = flagfile.to_flagfile(values)

    def claim() -> str:
        held.enter_context(run_dir.claim(folder, own, flagfile.list_earlier(values)))
        return own

    of_chief = team.broadcast_from_chief(claim)
    different = set(own.splitlines()) ^ set(of_chief.splitlines())
    failure = None
    if different:
        failure = errors.UsageError(
            f"Worker {team.index} has other flags than the chief: "
            f"{' '.join(sorted(different))}. Give all workers the same command."
        )
    team.end_together(failure)


def _finish(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    trained: list[_Trained],
    test: Examples,
) -> None:
    """Exports, writes the pages and prints the summary."""
    exports = _export(values, folder)
    for each, (metrics, outputs) in zip(
        _list_folders(values, folder), trained, strict=True
    ):
        run_report.write_missing(values, each, metrics, test, outputs)
    print(summary.summarize(folder, [metrics for metrics, _ in trained], exports))


def _export(values: flags.FlagValues, folder: run_dir.RunDir) -> dict[str, str]:
    """Exports what is missing; returns where everything is, by format."""
    exports: dict[str, str] = {}
    missing = []
    for name in values.export_formats:
        path = run_export.find_export(folder, name)
        if path:
            exports[name] = str(path)
        else:
            missing.append(name)
    exports |= finished_run.export(values, folder, missing)
    in_order = {name: exports[name] for name in values.export_formats}
    return {**in_order, **exports}


def _train_method(
    values: flags.FlagValues,
    method: str,
    examples: Splits,
    folder: run_dir.RunDir,
    strategy,
    team,
    *,
    deadline: float | None,
) -> _Trained:
    done = team.broadcast_from_chief(lambda: _read_metrics(folder))
    if done is not None:
        logging.info("The run in %s is complete.", folder.root)
        return done, None
    logging.info("Training %s in %s.", method, folder.root)
    keras.utils.set_random_seed(values.seed)
    model = settings.build_model(
        values, method, len(examples.train.class_names), strategy=strategy
    )
    data = settings.training_input(values, model, examples)
    plan = rate_search.make_plan(values, method, strategy, examples.train)
    options = settings.training_options(values, len(examples.train), method)
    if deadline is not None:
        options = time_limit.limit_length(
            model,
            data,
            folder,
            plan,
            options,
            deadline=deadline,
            probed_images=probe.count_images(values, examples),
        )
    found = probe.start(values, model, data, options, team)
    plan, searched = _choose_rate(values, model, data, folder, plan, options)
    metrics, outputs = training_run.train(
        model,
        data,
        folder,
        plan,
        method=method,
        options=run_options.RunOptions(
            options,
            settings.safety_options(values),
            settings.stopping_options(values),
            settings.logging_options(values, method),
        ),
        report={
            "method": method,
            "backbone": values.backbone,
            "dataset": values.dataset,
            "seed": values.seed,
            **searched,
        },
        probe=found,
        workers=team,
    )
    if team.is_chief:
        _compare_with_published(values, method, metrics)
    return metrics, outputs


def _choose_rate(
    values, model, data, folder, plan, options
) -> tuple[training.TrainingPlan, dict]:
    """Returns the plan with the rate of --learning_rate=auto, and it as a metric."""
    if values.learning_rate != choices.AUTO:
        return plan, {}
    rate = rate_search.find_rate(model, data, folder, plan, options)
    return rate_search.replace_rate(plan, rate), {"learning_rate": rate}


def _set_deadline(
    values: flags.FlagValues, started: float, index: int, count: int
) -> float | None:
    """Returns when one of the methods is to be saved; all have equal parts of the time.

    A method after a resume has no more than its part, whatever the others took.
    """
    if not values.time_limit:
        return None
    part = definition.parse_duration(values.time_limit) / count
    return min(started + (index + 1) * part, time.monotonic() + part)


def _read_metrics(folder: run_dir.RunDir) -> dict | None:
    if not folder.is_complete():
        return None
    return atomic.read_json(folder.metrics, needs=summary.NEEDS)


def _share_splits(
    values: flags.FlagValues, folder: run_dir.RunDir, team: workers.Workers
) -> Splits:
    """Returns the chief's splits once this worker has their images, too."""
    parts = team.broadcast_from_chief(
        lambda: dataclasses.asdict(_load_splits(values, folder))
    )
    examples = Splits(
        **{
            name: Examples(**{key: tuple(of) for key, of in part.items()})
            for name, part in parts.items()
        }
    )
    if team.count > 1:
        team.end_together(
            None if team.is_chief else _check_images(values, examples, team)
        )
    return examples


def _check_images(
    values: flags.FlagValues, examples: Splits, team: workers.Workers
) -> errors.RunError | None:
    paths = [path for _, part in examples.items() for path in part.paths]
    if not all(map(os.path.exists, paths)):
        dataset.load_source(values)  # Extracts the images of a data set that has none.
    missing = next((path for path in paths if not os.path.exists(path)), None)
    if missing is None:
        return None
    return errors.RunError(
        f"Worker {team.index} lacks the image {missing}, which the chief has; every "
        "worker needs the data set at the same path."
    )


def _compare_with_published(
    values: flags.FlagValues, method: str, metrics: dict
) -> None:
    """Warns of an accuracy far below what such a run is known to reach."""
    warning = published.describe_shortfall(
        values.dataset,
        values.backbone,
        metrics["test_accuracy"],
        weights=values.weights,
        frozen=method == "fine_tuning" and values.tune_blocks == "none",
    )
    if warning and values.examples_per_class is None:
        logging.warning("%s", warning)


def _load_splits(values: flags.FlagValues, folder: run_dir.RunDir) -> Splits:
    """Returns the run's splits: the written ones, or new ones that it writes."""
    if folder.has_started():
        begun = splits.read_splits(folder.splits)
        if not _is_complete(values, folder):
            _check_data(values, begun, folder)
        return begun
    source = dataset.load_source(values)
    examples, skipped = dataset.load_splits(values, source)
    skipped = (*verification.list_left_out(source), *skipped)
    if skipped:
        verification.write_skipped(skipped, folder.skipped_images)
    folder.write_labels(examples.train.class_names)
    image_record.write_record(
        examples,
        folder.images,
        cache=manifest.default_path(values.dataset, values.data_dir),
    )
    splits.write_splits(examples, folder.splits)
    return examples


def _check_data(
    values: flags.FlagValues, begun: Splits, folder: run_dir.RunDir
) -> None:
    """Refuses to resume with other data than the run began with."""
    image_record.check_lists(
        dataset.make_splits(values, dataset.load_source(values)),
        begun,
        dataset=values.dataset,
        left_out=verification.read_skipped(folder.skipped_images),
    )
    image_record.check_images(begun, folder.images)


def _list_folders(
    values: flags.FlagValues, folder: run_dir.RunDir
) -> list[run_dir.RunDir]:
    """Returns the folder of the method, and the baseline's if there is one."""
    if not values.baseline:
        return [folder]
    return [folder, run_dir.RunDir(folder.root / f"baseline_{values.baseline}")]


def _is_complete(values: flags.FlagValues, folder: run_dir.RunDir) -> bool:
    return all(each.is_complete() for each in _list_folders(values, folder))
