"""From a finished run to what others load: a SavedModel, ONNX and LiteRT files."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors, export
from adafilter_tf.data import pipeline, splits
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.export import (
    calibration,
    export_formats,
    runtimes,
    saved_model,
)
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import run_card, run_dir

SAVED_MODEL = "saved_model"
# The line that says what folding did, beside those of the formats.
FOLD = "fold"

# Enough to see a wrong conversion and to know the ranges of activations; 360 images of
# 224 x 224 pixels are 220 MB.
_NUM_TRIED_IMAGES = 256
_NUM_REPRESENTATIVE_IMAGES = 104


def check_formats(formats: Sequence[str]) -> None:
    """Checks, before anything is trained, that these formats can be written.

    Raises:
        UsageError: When one is unknown or needs a package that is not installed.
    """
    allowed = (SAVED_MODEL, *runtimes.RUNTIMES)
    for name in formats:
        if name not in allowed:
            raise errors.UsageError(
                f"Received --export_formats={','.join(formats)}; allowed are "
                f"{', '.join(allowed)}."
            )
    export_formats.check_formats([name for name in formats if name != SAVED_MODEL])


def find_export(folder: run_dir.RunDir, name: str) -> pathlib.Path | None:
    """Returns where a format of a run is, None if it is missing or damaged."""
    if name == SAVED_MODEL:
        path = next(reversed(folder.list_exports()), None)
        fault = saved_model.find_fault(path) if path else None
    else:
        path = folder.root / runtimes.RUNTIMES[name].file_name
        if not path.exists():
            return None
        fault = folder.find_fault(path.name)
    if fault:
        logging.warning("%s: %s; it is made again.", path, fault)
        return None
    return path


def export_run(
    folder: run_dir.RunDir,
    formats: Sequence[str],
    *,
    make_spec: Callable[[keras.Model], ImageSpec],
    top_k: int,
    fold_options: calibration.FoldOptions = calibration.FoldOptions(),  # noqa: B008 - frozen
) -> dict[str, str]:
    """Exports the trained model of a run, folded for inference.

    What folding changed and what the files of other runtimes answer is kept in
    `export_reports.json`.

    Args:
        folder: Of the finished run.
        formats: "saved_model", the next version in `export/`, and keys of
            `runtimes.RUNTIMES`, files beside the model that are replaced.
        make_spec: Gives how an image becomes the pixels of a model.
        top_k: How many classes an answer of the SavedModel names.
        fold_options: How much is folded.

    Returns:
        "fold": what folding did, unless nothing was folded. By format, in the order of
        `formats`: the path of what was written and, of the files of other runtimes, how
        they answer beside Keras.

    Raises:
        RunError: When the model or its labels cannot be exported.
    """
    if not formats:
        return {}
    examples = splits.read_splits(folder.splits)
    class_names = tuple(folder.read_labels(examples.train))
    run = _FinishedRun(folder, examples, class_names)
    model, gates, report = model_file.load_model(folder.model), None, None
    spec = make_spec(model)
    if fold_options.fold != "none":
        folded, report = calibration.fold_model(model, run.examples, fold_options, spec)
        model, gates = folded.model, folded.gates
    fold = _to_json(report) if report else None
    written = {}
    if SAVED_MODEL in formats:
        path = export.export_saved_model(
            model,
            str(folder.export),
            spec,
            class_names=run.class_names,
            top_k=top_k,
            card=run_card.read_card(folder, examples, fold),
            gates=gates,
        )
        _keep_reports(folder, {SAVED_MODEL: {"path": path, FOLD: fold}})
        written[SAVED_MODEL] = path
    others = [name for name in formats if name != SAVED_MODEL]
    if others:
        reports = _export_other_runtimes(model, run, others, spec)
        for name in others:
            folder.record(runtimes.RUNTIMES[name].file_name)
        _keep_reports(
            folder,
            {
                name: {**dataclasses.asdict(each), FOLD: fold}
                for name, each in reports.items()
            },
        )
        written |= {name: _describe(each) for name, each in reports.items()}
    lines = {FOLD: calibration.describe(report)} if report else {}
    return lines | {name: written[name] for name in formats}


@dataclasses.dataclass(frozen=True)
class _FinishedRun:
    folder: run_dir.RunDir
    examples: Splits
    class_names: tuple[str, ...]


def _export_other_runtimes(
    model, run: _FinishedRun, formats: Sequence[str], spec: ImageSpec
) -> dict[str, export_formats.FormatReport]:
    """Writes the files of other runtimes; returns how each answers beside Keras."""
    tried = _take_evenly(run.examples.validation, _NUM_TRIED_IMAGES)
    representative = _take_evenly(run.examples.train, _NUM_REPRESENTATIVE_IMAGES)
    reports = export_formats.export_formats(
        model,
        str(run.folder.root),
        formats,
        images=_read_pixels(tried, spec),
        labels=np.asarray(tried.labels),
        representative_images=_read_pixels(representative, spec),
        metadata=export_formats.Metadata(
            class_names=run.class_names,
            image_size=spec.image_size,
            channels=spec.channels,
            crop_fraction=spec.crop_fraction,
        ),
    )
    return dict(zip(formats, reports, strict=True))


def _to_json(report: calibration.FoldReport) -> dict:
    return {**dataclasses.asdict(report), "cost_ratio": report.cost_ratio}


def _keep_reports(folder: run_dir.RunDir, entries: Mapping[str, dict]) -> None:
    path = folder.export_reports
    earlier: dict = {}
    if path.exists():
        try:
            earlier = atomic.read_json(path)
        except errors.RunError as error:
            logging.warning("%s Its earlier entries are lost.", error)
    atomic.write_json(path, {**earlier, **entries})


def _describe(report: export_formats.FormatReport) -> str:
    return (
        f"{report.path} ({report.num_bytes / 1e6:.1f} MB; of {report.num_images} "
        f"validation images {report.accuracy:.1%} are right, in Keras "
        f"{report.keras_accuracy:.1%}; {report.changed_predictions} predictions "
        "changed)"
    )


def _take_evenly(examples: Examples, number: int) -> Examples:
    """At most `number` examples from the whole list, in which classes may be sorted."""
    number = min(number, len(examples))
    return examples.take(np.linspace(0, len(examples) - 1, number).astype(int))


def _read_pixels(examples: Examples, spec: ImageSpec) -> np.ndarray:
    """float32 [n, S, S, C] in 0..255, as evaluation sees the images."""
    dataset = pipeline.evaluation_dataset(
        examples.paths, spec, batch_size=len(examples)
    )
    return next(iter(dataset)).numpy()
