"""--mode=compare --runs: finished runs side by side, on the same test images."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from absl import flags, logging

from adafilter_tf import errors, evaluation
from adafilter_tf.cli import finished_run, flagfile, settings, summary
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples
from adafilter_tf.data.integrity import image_record
from adafilter_tf.evaluation.explanation import comparison, comparison_report
from adafilter_tf.files import atomic, model_file
from adafilter_tf.runs import run_dir, run_predictions

_OUTPUT_DIR = "runs/comparison"


def run(values: flags.FlagValues) -> None:
    """Prints a comparison of --runs and writes its page and its table."""
    folder = pathlib.Path(values.output_dir or _OUTPUT_DIR)
    check_folder(folder, values.runs)
    sides, matched = compare(values.runs)
    print(comparison_report.format_text(sides, matched))
    if matched[0].paths:
        html, data = comparison_report.write_files(sides, matched, folder)
        print(f"\nPage    {html}\nImages  {data}")


def compare(
    paths: Sequence[str | os.PathLike],
) -> tuple[list[comparison_report.Side], list[comparison.RunAnswers]]:
    """Returns runs, and their answers for the test images that all of them have.

    Args:
        paths: Of the runs' folders. The folder `baseline_METHOD` of a run is one, too.

    Raises:
        UsageError: There are fewer than two, or too many, or one is there twice.
        RunError: A folder is no finished run, or the runs have different classes.
    """
    texts = [os.path.expanduser(os.fspath(path)) for path in paths]
    _check_paths(texts)
    opened = [_open(text) for text in texts]
    names = [os.path.basename(os.path.abspath(text)) for text in texts]
    if len(set(names)) < len(names):
        names = texts
    sides = []
    for text, name, each in zip(texts, names, opened, strict=True):
        test = each.test
        # Before anything is computed.
        nothing = comparison.RunAnswers(name, test.class_names, (), (), (), ())
        defaults = {flag: each.values[flag].default for flag in each.list_flags()}
        sides.append(
            comparison_report.Side(
                text, each.list_flags(), each.metrics, nothing, defaults
            )
        )
    comparison.check_classes([side.answers for side in sides])
    sides = [
        dataclasses.replace(side, answers=_read_answers(side.answers.name, each))
        for side, each in zip(sides, opened, strict=True)
    ]
    return sides, comparison.match_images([side.answers for side in sides])


def tabulate(
    paths: Sequence[str | os.PathLike], output_dir: str | os.PathLike | None
) -> list[dict]:
    """Returns a comparison as one row per run; see `api.compare_runs`.

    Args:
        paths: See `compare`.
        output_dir: Gets the page and the table; None writes nothing.
    """
    sides, matched = compare(paths)
    common = len(matched[0].paths)
    if output_dir is not None and common:
        comparison_report.write_files(sides, matched, pathlib.Path(output_dir))
    rows = []
    for side, answers in zip(sides, matched, strict=True):
        row = {**comparison_report.describe_side(side), "common_images": common}
        if common and answers is not matched[0]:
            row |= comparison.compare_answers(matched[0], answers)
        rows.append(row)
    return rows


def check_folder(folder: pathlib.Path, runs: Sequence[str | os.PathLike]) -> None:
    """Checks that a comparison is not written into a run.

    Raises:
        UsageError: The folder is a run's, or lies in one of the runs.
    """
    inside = [
        path
        for path in map(pathlib.Path, runs)
        if folder.resolve().is_relative_to(path.expanduser().resolve())
    ]
    if inside or run_dir.RunDir(folder).flagfile.exists():
        raise errors.UsageError(
            f"Received --output_dir={folder}, which belongs to a run; choose another "
            "folder for the comparison."
        )


@dataclasses.dataclass(frozen=True)
class _OpenedRun:
    """A finished run.

    Attributes:
        folder: With its model and metrics.
        origin: With its flags and images; another one for a baseline.
        values: Its flags.
        metrics: As in its `metrics.json`.
        test: Its test images.
    """

    folder: run_dir.RunDir
    origin: run_dir.RunDir
    values: flags.FlagValues
    metrics: dict
    test: Examples

    def list_flags(self) -> dict[str, object]:
        """Returns the settings of its training."""
        return flagfile.list_hyperparameters(self.values, self.metrics["method"])


def _check_paths(paths: Sequence[str]) -> None:
    limit = len(comparison_report.LETTERS)
    if not 2 <= len(paths) <= limit:
        raise errors.UsageError(
            f"Received {len(paths)} runs to compare; allowed are 2 to {limit}: "
            "adafilter compare RUN RUN..."
        )
    seen: dict[str, str] = {}
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            raise errors.UsageError(
                f"Received {seen[real]} and {path}, which are one run; name each run "
                "once."
            )
        seen[real] = path


def _open(path: str) -> _OpenedRun:
    folder = origin = run_dir.RunDir(pathlib.Path(path))
    if folder.root.name.startswith("baseline_") and not folder.flagfile.exists():
        origin = run_dir.RunDir(folder.root.parent)
    if not origin.flagfile.exists():
        raise errors.RunError(
            f"{path} is not a run: it has no {origin.flagfile.name}. Name the "
            "--output_dir of a finished training."
        )
    for needed in (origin.splits, folder.model, folder.metrics):
        if not needed.exists():
            raise errors.RunError(
                f"{path} is not a finished run: it has no {needed.name}. Give its "
                "training's command again, which resumes it."
            )
    values = flagfile.parse(["--mode=evaluate", f"--output_dir={origin.root}"])
    finished_run.open_run(values)
    return _OpenedRun(
        folder,
        origin,
        values,
        atomic.read_json(folder.metrics, needs=summary.NEEDS),
        splits.read_splits(origin.splits).test,
    )


def _read_answers(name: str, run: _OpenedRun) -> comparison.RunAnswers:
    found = run_predictions.read_predictions(run.folder, run.test)
    predicted, probabilities = found or _predict(run)
    return comparison.RunAnswers(
        name,
        run.test.class_names,
        run.test.paths,
        [run.test.class_names[label] for label in run.test.labels],
        predicted,
        probabilities,
        image_record.read_digests(run.origin.images),
    )


def _predict(run: _OpenedRun) -> tuple[list[str], list[float]]:
    """Returns the answers of a run that does not keep them."""
    logging.info(
        "%s has no %s: scoring %d images.",
        run.folder.root,
        run.folder.test_predictions.name,
        len(run.test),
    )
    settings.place_data(run.values)
    model = model_file.load_model(run.folder.model)
    spec = settings.image_spec(run.values, model)
    finished_run.load_examples(run.values, run.origin, "test", channels=spec.channels)
    score = evaluation.create_scorer(model, spec, batch_size=run.values.batch_size)
    rows = list(
        run_predictions.list_predictions(score(run.test.paths).logits, run.test)
    )
    return [row.classes[0] for row in rows], [row.probabilities[0] for row in rows]
