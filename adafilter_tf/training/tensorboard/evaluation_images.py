"""Confusion matrix and misclassified images of every evaluation, in TensorBoard."""

import keras
import numpy as np
from tensorboard.plugins.text import summary_v2 as text_summary

from adafilter_tf.data.examples import Examples, show_path
from adafilter_tf.evaluation import scoring
from adafilter_tf.optim import optimizers
from adafilter_tf.training.callbacks import validation
from adafilter_tf.training.tensorboard import (
    confusion_figure,
    error_sheet,
    event_writer,
    rendering,
)


class EvaluationImages(keras.callbacks.Callback):
    """Writes the images of each validation; put it after validation and logger.

    Args:
        writer: Opened by another callback.
        validate: Has the latest outputs.
        examples: The validation examples.
    """

    def __init__(
        self,
        writer: event_writer.EventWriter,
        validate: validation.Validation,
        examples: Examples,
    ):
        super().__init__()
        self._writer = writer
        self._validate = validate
        self._examples = examples

    def on_epoch_end(self, epoch, logs=None):
        """Writes the images of the validation that has just run."""
        outputs = self._validate.outputs
        if outputs is None:
            raise ValueError("Put this callback after the validation.")
        write_images(
            self._writer,
            "validation",
            outputs.logits,
            self._examples,
            optimizers.count_steps(self.model.optimizer),
        )


def write_images(
    writer: event_writer.EventWriter,
    split: str,
    logits: np.ndarray,
    examples: Examples,
    step: int,
) -> dict[str, np.ndarray]:
    """Writes the images `<split>/confusion_matrix` and `<split>/misclassified`.

    The misclassified images are also a text, a table with their paths; where there are
    none, neither is written.

    Args:
        writer: Open.
        split: "validation" or "test".
        logits: [n, K].
        examples: The n examples.
        step: Number of updates.

    Returns:
        "confusion_matrix" and, if there are errors, "misclassified": the pixels of the
        images, uint8 [height, width, 3].
    """
    names = examples.class_names
    predictions = np.asarray(logits).argmax(axis=1)
    counts = scoring.count_confusions(examples.labels, predictions, len(names))
    errors = error_sheet.list_errors(logits, examples.labels)
    figure = confusion_figure.confusion_figure(counts, names)
    pictures = {"confusion_matrix": rendering.render(figure)}
    summaries = [
        event_writer.make_image(
            f"{split}/confusion_matrix",
            pictures["confusion_matrix"],
            "Rows: true classes, columns: predicted; the colour is the fraction of "
            "the row.",
        )
    ]
    if errors:
        sheet = error_sheet.error_sheet(examples, errors, predictions.tolist())
        pictures["misclassified"] = rendering.render(sheet)
        rows = ["| image | true | predicted | probability |", "|---|---|---|---|"]
        rows += [
            f"| {_show_cell(examples.paths[index])} | {names[examples.labels[index]]} "
            f"| {names[predictions[index]]} | {confidence:.3f} |"
            for index, confidence in errors
        ]
        summaries += [
            event_writer.make_image(
                f"{split}/misclassified",
                pictures["misclassified"],
                "The most confident errors; misclassified_paths in the tab Text has "
                "their paths.",
            ),
            text_summary.text_pb(f"{split}/misclassified_paths", "\n".join(rows)),
        ]
    writer.write(summaries, step)
    return pictures


def _show_cell(path: str) -> str:
    return show_path(path).replace("|", "\\|")
