"""Pages on a finished run, and `report.html`, the one that a training leaves."""

import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags, logging

from adafilter_tf import errors, evaluation
from adafilter_tf.cli import settings
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import registry
from adafilter_tf.evaluation import gate_interventions
from adafilter_tf.evaluation.explanation import explain, paired_difference
from adafilter_tf.files import atomic, model_file, text
from adafilter_tf.runs import run_dir, run_predictions

_TEST_NOTE = (
    "These are test images: settings that are chosen by this page need other test "
    "images afterwards."
)
# More are sampled where gates are replaced: the pixels are in memory meanwhile.
_MAX_GATE_IMAGES = 1000
# Passes over the images under gates that replace theirs.
_INTERVENTIONS = 5
_MAX_SHARE = 0.1
# On one core of a CPU: a network is loaded and traced once; a page has some forty
# thumbnails.
_SECONDS_PER_GATED_LAYER = 0.25
_SECONDS_OF_PAGE = 1.0


def gather_facts(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    method: str,
    split: str,
    *,
    sampled_from: int | None = None,
) -> explain.RunFacts:
    """Returns what a page says about the run, without the paths of this machine.

    Args:
        values: Flags, with the run's settings.
        folder: Of the run.
        method: The one that was trained there.
        split: "train", "validation", "test" or "all".
        sampled_from: Of how many images those on the page are a sample; None for all.
    """
    source = values.evaluate_on or values.dataset
    images = "images" if split == "all" else f"{split} images"
    part = f" (sampled from {sampled_from:,})" if sampled_from else ""
    is_own = not values.evaluate_on
    return explain.RunFacts(
        method=method,
        unit="block" if method == "spottune" else "filter",
        images_from=f"the {images} of {_name_dataset(source)}{part}",
        settings={
            "run": os.path.basename(os.path.abspath(folder.root)),
            "method": method,
            "backbone": os.path.basename(values.backbone),
            "trained on": _name_dataset(values.dataset),
            "seed": str(values.seed),
            "image size": f"{values.image_size} pixels",
        },
        note=_TEST_NOTE if split in ("test", "all") and is_own else "",
        baselines=_read_baselines(folder, split) if is_own and not part else (),
    )


def write_missing(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    metrics: Mapping,
    examples: Examples,
    outputs: evaluation.Outputs | None,
) -> None:
    """Writes `report.html` of a finished run, unless it is whole or not wanted.

    Args:
        values: Flags of the run.
        folder: Of the method that was trained.
        metrics: As in its `metrics.json`.
        examples: The test images.
        outputs: Of its model for them; None if they are not known.
    """
    was_written = folder.is_recorded(folder.report.name)
    if values.report == "never" or (was_written and _is_whole(folder)):
        return
    extent = "all"
    if values.report == "auto":
        extent = choose_extent(metrics, len(examples), scored=outputs is not None)
        if was_written and extent == "nothing":
            extent = "own_gates"
    if extent != "all":
        _log_what_is_missing(folder, metrics, extent)
    if extent == "nothing":
        return
    if outputs is None and not all(map(os.path.isfile, examples.paths)):
        logging.warning("%s is not written: test images are gone.", folder.report)
        return
    try:
        _write(values, folder, metrics, examples, outputs, extent)
    except errors.RunError as error:
        logging.warning("%s is not written. %s", folder.report, error)


def choose_extent(metrics: Mapping, num_images: int, *, scored: bool) -> str:
    """Returns how much of a page takes at most a tenth of the training's time.

    Args:
        metrics: Of the run: `train_seconds`, and `test_seconds`, which its test images
            took once; a run of an earlier version does not say that.
        num_images: The number of test images.
        scored: Whether the outputs for them are known.

    Returns:
        "all"; "own_gates" for the page without gate interventions, which take five
        more passes over the images; or "nothing".
    """
    once = metrics.get("test_seconds")
    if not isinstance(once, float):
        return "nothing"
    gated = len(metrics.get("tuned_fraction_per_layer", ()))
    loading = _SECONDS_PER_GATED_LAYER * gated
    page = _SECONDS_OF_PAGE + (0.0 if scored else loading + once)
    share = min(1.0, _MAX_GATE_IMAGES / num_images)
    interventions = loading + _INTERVENTIONS * once * share if gated else 0.0
    allowed = _MAX_SHARE * metrics["train_seconds"]
    if page + interventions <= allowed:
        return "all"
    return "own_gates" if page <= allowed else "nothing"


def _write(values, folder, metrics, examples, outputs, extent) -> None:
    predict_classes = None
    if outputs is None or (outputs.gates and extent == "all"):
        model = model_file.load_model(folder.model)
        spec = settings.image_spec(values, model)
        options = {"spec": spec, "batch_size": values.batch_size}
        if outputs is None:
            outputs = evaluation.create_scorer(model, **options)(examples.paths)
        if outputs.gates and extent == "all":
            interventions = gate_interventions.GateInterventions(model, **options)
            predict_classes = interventions.predict_classes
    report = explain.describe_outputs(
        outputs,
        examples,
        gather_facts(values, folder, metrics["method"], "test"),
        predict_classes,
        max_gate_images=_MAX_GATE_IMAGES,
    )
    for path in explain.write_report(report, folder.report.with_suffix("")):
        folder.record(path.name)


def _is_whole(folder: run_dir.RunDir) -> bool:
    names = (folder.report.name, folder.report.with_suffix(".json").name)
    fault = next(filter(None, map(folder.find_fault, names)), None)
    if fault:
        logging.warning("%s: %s; the page is made again.", folder.root, fault)
    return not fault


def _log_what_is_missing(folder: run_dir.RunDir, metrics: Mapping, extent: str) -> None:
    logging.info(
        "%s is %s: the whole page would take more than a tenth of the training's %s. "
        "`adafilter explain %s --explain_split=test` writes it.",
        folder.report,
        "not written" if extent == "nothing" else "written without interventions",
        text.format_duration(metrics["train_seconds"]),
        shlex.quote(str(folder.root)),
    )


def _name_dataset(dataset: str) -> str:
    """Returns a data set's name for others: of a path its last part."""
    kind, argument = registry.parse_dataset(dataset)
    if not registry.SOURCES[kind].is_path:
        return dataset
    return pathlib.Path(argument).name or dataset


def _read_baselines(folder: run_dir.RunDir, split: str) -> list[dict]:
    """Returns the baselines that were trained beside the run, on the same images."""
    found = []
    for path in sorted(folder.root.glob("baseline_*/metrics.json")):
        metrics = atomic.read_json(path)
        if f"{split}_accuracy" in metrics:
            accuracy = metrics[f"{split}_accuracy"]
            baseline = {"method": metrics["method"], "accuracy": accuracy}
            if split == "test":
                baseline |= _compare_answers(folder, run_dir.RunDir(path.parent))
            found.append(baseline)
    return found


def _compare_answers(
    folder: run_dir.RunDir, baseline: run_dir.RunDir
) -> dict[str, float]:
    """Returns the paired difference to a baseline, nothing if it is not known."""
    test = splits.read_splits(folder.splits).test
    right = []
    for each in (folder, baseline):
        answers = run_predictions.read_predictions(each, test)
        if answers is None:
            return {}
        right.append(_find_right(answers[0], test))
    return paired_difference.measure_difference(*right)


def _find_right(classes: Sequence[str], test: Examples) -> np.ndarray:
    labels = [test.class_names[label] for label in test.labels]
    return np.asarray(classes) == np.asarray(labels)
