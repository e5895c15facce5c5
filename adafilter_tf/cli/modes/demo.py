"""--mode=demo: a page of this machine to drop pictures on."""

import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import keras
from absl import flags, logging

from adafilter_tf import layers
from adafilter_tf.cli import finished_run
from adafilter_tf.data import splits
from adafilter_tf.data.examples import Examples
from adafilter_tf.evaluation.explanation import explain
from adafilter_tf.prediction import progress
from adafilter_tf.runs import run_dir
from adafilter_tf.serving import answer_page, demo_page, picture_answers, server

DEFAULT_PORT = 7860
DEFAULT_TOP_K = 5
# Training pictures that are compared with; reading them takes seconds to a minute.
MAX_TRAINING_PICTURES = 400


class Demo:
    """A run that answers about pictures.

    Args:
        values: The flags; they get the run's settings.

    Attributes:
        facts: About the run.
    """

    def __init__(self, values: flags.FlagValues):
        folder = finished_run.open_run(values)
        model, spec = finished_run.load_model(values, folder)
        self._observer = picture_answers.Observer(model, spec)
        self._class_names = finished_run.read_labels(folder)
        self._top_k = values.top_k if values["top_k"].present else DEFAULT_TOP_K
        examples = explain.draw_sample(
            splits.read_splits(folder.splits).train, MAX_TRAINING_PICTURES, values.seed
        )
        self._training = _read_training_pictures(self._observer, examples)
        num_gone = len(examples) - len(self._training.examples)
        self.facts = _gather_facts(values, folder, model, num_gone, len(examples))

    def answer(self, paths: Sequence[str]) -> str:
        """Returns the HTML of the answers to image files, whatever they hold."""
        shown = paths[: answer_page.MAX_PICTURES]
        answers = [
            picture_answers.answer(
                self._observer,
                path,
                class_names=self._class_names,
                training=self._training,
                top_k=self._top_k,
            )
            for path in shown
        ]
        return answer_page.render_answers(answers, self.facts, len(paths) - len(shown))


def run(values: flags.FlagValues) -> None:
    """Serves the page until a signal."""
    server.check_installed("demo", ("gradio",))
    port = DEFAULT_PORT if values.port is None else values.port
    with (
        server.ending_on_signals(),
        server.bind(values.host, port) as listener,
        tempfile.TemporaryDirectory(prefix="adafilter-demo-") as uploads,
    ):
        demo = Demo(values)
        app = demo_page.create_app(
            answer_page.render_head(demo.facts),
            demo.answer,
            title=demo.facts.name,
            css=answer_page.read_css(),
            upload_dir=pathlib.Path(uploads),
        )
        url = server.url_of(listener)
        print(f"Open {url} and drop pictures on the page; Ctrl-C ends it.", flush=True)
        server.run(app, listener)


def _read_training_pictures(
    observer: picture_answers.Observer, examples: Examples
) -> picture_answers.TrainingPictures:
    """Returns those that still are where they were, with their features."""
    there = [index for index, path in enumerate(examples.paths) if os.path.isfile(path)]
    found = examples.take(there)
    if not there:
        return picture_answers.keep_readable(found, [])
    logging.info("Reading %d training pictures.", len(found))
    features = picture_answers.observe_all(observer, found.paths)
    features = progress.report_progress(features, len(found), sys.stderr)
    return picture_answers.keep_readable(found, list(features))


def _gather_facts(
    values: flags.FlagValues,
    folder: run_dir.RunDir,
    model: keras.Model,
    num_gone: int,
    num_pictures: int,
) -> answer_page.RunFacts:
    by_block = any(isinstance(layer, layers.BlockRoute) for layer in model.layers)
    settings = {
        "Method": values.method,
        "Backbone": values.backbone,
        "Classes": str(model.output_shape[-1]),
        "Image size": f"{values.image_size} pixels",
    }
    if (accuracy := _read_accuracy(folder)) is not None:
        settings["Test accuracy"] = f"{100 * accuracy:.1f} %"
    notes = []
    if num_gone:
        notes.append(
            f"{num_gone:,} of {num_pictures:,} training pictures are not where they "
            "were, or cannot be read; "
            + (
                "no nearest ones are shown."
                if num_gone == num_pictures
                else "the nearest ones are found among the others."
            )
        )
    return answer_page.RunFacts(
        name=folder.root.resolve().name,
        settings=settings,
        unit="block" if by_block else "filter",
        notes=notes,
    )


def _read_accuracy(folder: run_dir.RunDir) -> float | None:
    """Returns the run's test accuracy, None where its metrics are damaged or gone."""
    try:
        return float(json.loads(folder.metrics.read_bytes())["test_accuracy"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
