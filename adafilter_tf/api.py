"""A training and its run from Python: what the program `adafilter` does, as objects.

    import adafilter_tf

    run = adafilter_tf.fit("photos", backbone="resnet50")
    run.predict(["a.jpg", "b.jpg"])

Settings are the flags of the command line by their names, and what a run leaves is the
same; so a run that began here goes on there, and the other way round.
"""

import functools
import os
import pathlib
import typing
from collections.abc import Sequence

# isort: off
from adafilter_tf.cli import startup  # noqa: F401 - before Keras, whose messages it hides

# isort: on
import keras
from absl import flags

from adafilter_tf import errors, prediction
from adafilter_tf.cli import checks, command, entry, finished_run, flagfile, settings
from adafilter_tf.cli.modes import compare_runs as comparing
from adafilter_tf.cli.modes import evaluate, explain
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.files import atomic
from adafilter_tf.prediction import image_files
from adafilter_tf.runs import run_dir

if typing.TYPE_CHECKING:
    import pandas

PathLike = str | os.PathLike[str]


def fit(data: PathLike, output_dir: PathLike | None = None, **options) -> "Run":
    """Fine-tunes on labelled images, tests, exports, and returns the finished run.

    A run that was interrupted goes on from its last checkpoint when it is called again
    with the same arguments; of a finished one nothing is trained again.

    Args:
        data: A folder with a folder of images for each class, or any other value of
            --dataset.
        output_dir: The run's folder; None for runs/<name of the data>.
        **options: Flags of a training by their names, such as `backbone="resnet50"`,
            `epochs=5`, `horizontal_flip=True`, `export_formats=["saved_model"]`.

    Raises:
        UsageError: An option is unknown, has no such value, or no effect.
        RunError: What a user can fix, such as an image that cannot be read.

    Example:
        run = adafilter_tf.fit("photos", backbone="resnet50", epochs=5)
        print(run.metrics["test_accuracy"])
    """
    values = _parse("train", dataset=data, output_dir=output_dir, **options)
    if not values.output_dir:
        name = command.name_data(values.dataset)
        values["output_dir"].parse(f"runs/{name}")
    checks.check_flags(values)
    policy = keras.config.dtype_policy()
    try:
        entry.run_mode(values)
    finally:
        keras.config.set_dtype_policy(policy)
    return Run(values.output_dir)


def load_run(path: PathLike) -> "Run":
    """Returns a finished run.

    Args:
        path: Its folder, the --output_dir of a training.

    Raises:
        RunError: There is no finished run in it.

    Example:
        run = adafilter_tf.load_run("runs/photos")
    """
    return Run(path)


def compare_runs(
    runs: Sequence[PathLike], output_dir: PathLike | None = None
) -> "pandas.DataFrame":
    """Compares finished runs on the test images that all of them have.

    Args:
        runs: Their folders, at least two; differences are to the first.
        output_dir: Gets `comparison.html` and `comparison.csv`; None writes nothing.

    Returns:
        One row per run: `run`, `test_images`, `test_accuracy` with `accuracy_low` and
        `accuracy_high`, `mean_per_class_accuracy`, `loss`, `seconds`, `parameters`,
        `trainable_parameters` and `tuned_fraction`; then the paired comparison on the
        `common_images`: `difference` of the accuracies with `low` and `high`, and how
        many images only this run (`other_alone`) or only the first (`first_alone`)
        gets right. Shares are in 0..1, intervals hold in 95 of 100 cases.

    Raises:
        UsageError: A run is named twice, or `output_dir` belongs to one.
        RunError: A folder is no finished run, the runs have different classes, or
            pandas is not installed.

    Example:
        adafilter_tf.compare_runs(["runs/first", "runs/second"])
    """
    pandas = _import_pandas()
    if output_dir is not None:
        comparing.check_folder(pathlib.Path(output_dir), runs)
    return pandas.DataFrame(comparing.tabulate(runs, output_dir))


class Run:
    """A finished run: its model, what it says of images, and its metrics.

    Attributes:
        path: Its folder.
        metrics: What its training found out, as in `metrics.json`; accuracies are
            shares in 0..1.
        class_names: Names of the classes, in the order of the model's outputs.
    """

    def __init__(self, path: PathLike):
        self.path = pathlib.Path(path)
        folder = finished_run.open_run(self._parse("evaluate"))
        self.metrics: dict = atomic.read_json(folder.metrics)
        self.class_names: list[str] = finished_run.read_labels(folder)

    def __repr__(self) -> str:
        method, accuracy = self.metrics["method"], self.metrics["test_accuracy"]
        return (
            f"<Run {str(self.path)!r}: {method}, {len(self.class_names)} classes, test "
            f"accuracy {100 * accuracy:.2f} %>"
        )

    @property
    def model(self) -> keras.Model:
        """The trained model: pixels [B, S, S, C] in 0..255 to logits [B, K]."""
        return self._loaded[0]

    def predict(
        self, images: PathLike | Sequence[PathLike], *, top_k: int = 5
    ) -> "pandas.DataFrame":
        """Classifies image files.

        Args:
            images: Files, folders or glob patterns, one or several.
            top_k: How many classes a row names.

        Returns:
            One row per image, whatever is wrong with the others: `path`, `class` and
            `probability` (0..1) of the most probable class, `class_2`, `probability_2`
            and so on, and `error`, which is None unless the image could not be read.

        Raises:
            UsageError: There is no image.
            RunError: pandas is not installed.

        Example:
            run.predict("holidays/*.jpg")[["path", "class"]]
        """
        pandas = _import_pandas()
        if isinstance(images, str | os.PathLike):
            images = [images]
        values = self._open("predict", top_k=top_k)
        model, spec = self._loaded
        rows = prediction.predict_paths(
            model,
            image_files.iterate_images([os.fspath(path) for path in images]),
            spec,
            class_names=self.class_names,
            batch_size=values.batch_size,
            top_k=top_k,
        )
        return pandas.DataFrame([_to_cells(row) for row in rows])

    def evaluate(self, data: PathLike | None = None, *, split: str = "test") -> dict:
        """Scores the model on images with labels.

        Args:
            data: A data set with the run's classes, as for `fit`; None for the run's
                own images.
            split: "train", "validation", "test", or "all" for data without splits.

        Returns:
            Metrics by name; accuracies are shares in 0..1.

        Raises:
            RunError: A class is unknown, or an image is gone.

        Example:
            run.evaluate("new_photos", split="all")["test_accuracy"]
        """
        chosen = {"evaluate_on": data, "evaluate_split": split}
        return evaluate.measure(self._parse("evaluate", **chosen))

    def explain(self, data: PathLike | None = None, **options) -> pathlib.Path:
        """Writes a page on what the gates chose and where the model errs.

        Args:
            data: A data set with the run's classes; None for the run's own images.
            **options: `explain_split`, `explain_images`, `explain_projection`.

        Returns:
            The HTML page; the data that it shows are beside it as JSON.
        """
        values = self._parse("explain", evaluate_on=data, **options)
        _, html, _ = explain.write_page(values)
        return html

    def export(
        self, formats: Sequence[str] = ("saved_model",), **options
    ) -> dict[str, str]:
        """Writes the model for servers and devices.

        Args:
            formats: Of "saved_model" (its next version), "onnx" and "litert".
            **options: `fold`, `fold_tolerance`, `top_k`.

        Returns:
            By format, the path; by "fold", what inference costs.
        """
        values = self._parse("export", export_formats=list(formats), **options)
        folder = finished_run.open_run(values)
        return finished_run.export(values, folder, values.export_formats)

    @functools.cached_property
    def _loaded(self) -> tuple[keras.Model, ImageSpec]:
        values = self._open("predict")
        return finished_run.load_model(values, run_dir.RunDir(self.path))

    def _open(self, mode: str, **options) -> flags.FlagValues:
        """Returns flags with the run's settings."""
        values = self._parse(mode, **options)
        finished_run.open_run(values)
        return values

    def _parse(self, mode: str, **options) -> flags.FlagValues:
        values = _parse(mode, output_dir=self.path, **options)
        checks.check_flags(values)
        settings.place_data(values)
        return values


def _parse(mode: str, **options) -> flags.FlagValues:
    """Returns the flags of a mode; options that are None have their defaults."""
    chosen = {name: value for name, value in options.items() if value is not None}
    for name in ("dry_run", "flagfile"):
        if name in chosen:
            raise errors.UsageError(
                f"Received {name}={chosen[name]!r}, which the command line alone has: "
                f"adafilter {mode} --{name}={chosen[name]}."
            )
    arguments = [f"--{name}={_to_text(value)}" for name, value in chosen.items()]
    return flagfile.parse([f"--mode={mode}", *arguments])


def _to_text(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_to_text, value))
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _import_pandas():
    try:
        import pandas
    except ImportError as error:
        raise errors.RunError(
            "The result is a pandas data frame: pip install pandas. Without it, "
            "`adafilter predict` and `adafilter compare` write the same as CSV."
        ) from error
    return pandas


def _to_cells(row: prediction.Prediction) -> dict:
    cells: dict = {"path": row.path}
    for k, pair in enumerate(zip(row.classes, row.probabilities, strict=True), 1):
        suffix = f"_{k}" if k > 1 else ""
        cells[f"class{suffix}"], cells[f"probability{suffix}"] = pair
    return {**cells, "error": row.error}
