"""The model card of a run: beside its model, and inside of its exports."""

from collections.abc import Mapping

from adafilter_tf.data.examples import Splits
from adafilter_tf.export import card
from adafilter_tf.files import atomic
from adafilter_tf.runs import run_dir


def write_card(folder: run_dir.RunDir, metrics: Mapping, splits: Splits) -> None:
    """Writes `MODEL_CARD.md` of a run that has a flagfile, as a baseline has none.

    Args:
        folder: Of the run.
        metrics: As in its `metrics.json`.
        splits: Its images.
    """
    if folder.flagfile.exists():
        atomic.write_text(folder.card, format_card(folder, metrics, splits))


def read_card(folder: run_dir.RunDir, splits: Splits, fold: dict | None) -> str:
    """Returns the card of a finished run; see `format_card`.

    Raises:
        RunError: Its metrics cannot be read.
    """
    metrics = atomic.read_json(folder.metrics, needs=card.NEEDS)
    return format_card(folder, metrics, splits, fold)


def format_card(
    folder: run_dir.RunDir, metrics: Mapping, splits: Splits, fold: dict | None = None
) -> str:
    """Returns the card in Markdown.

    Args:
        folder: Of the run, with its flagfile.
        metrics: As in its `metrics.json`.
        splits: Its images.
        fold: See `card.format_card`.
    """
    return card.format_card(
        metrics,
        num_images={name: len(split) for name, split in splits.items()},
        class_names=splits.train.class_names,
        flags=atomic.read_text(folder.flagfile),
        fold=fold,
    )
