"""The steps of a training in epochs, of which the first may be cut off."""

import re
import sys
from collections.abc import Sequence

import keras
import tensorflow as tf

from adafilter_tf import errors


def split_at_epoch(start: int, end: int, steps_per_epoch: int) -> list[range]:
    """Returns the rest of an epoch that was cut off, and the whole epochs after it.

    Args:
        start: Number of steps before the first one.
        end: Number of steps after the last one.
        steps_per_epoch: Steps between two validations.
    """
    whole = min(end, -(-start // steps_per_epoch) * steps_per_epoch)
    return [steps for steps in (range(start, whole), range(whole, end)) if steps]


def fit_steps(
    model: keras.Model,
    dataset: tf.data.Dataset,
    steps: range,
    *,
    steps_per_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback],
    quiet: bool,
) -> keras.callbacks.History:
    """Takes steps that `split_at_epoch` gave.

    Args:
        model: Compiled.
        dataset: The batches of these steps.
        steps: Their numbers.
        steps_per_epoch: Steps between two validations.
        callbacks: Of the training.
        quiet: Whether nothing is printed meanwhile.

    Returns:
        Losses and metrics of each epoch.

    Raises:
        RunError: When an image is gone.
    """
    # A bar that redraws itself would fill a log file with its frames.
    verbose = 1 if sys.stdout.isatty() else 2
    try:
        return model.fit(
            dataset,
            epochs=steps.stop // steps_per_epoch,
            steps_per_epoch=min(steps_per_epoch, len(steps)),
            initial_epoch=steps.start // steps_per_epoch,
            callbacks=callbacks,
            shuffle=False,  # the data set's order is its own
            verbose=0 if quiet else verbose,
        )
    except tf.errors.NotFoundError as error:
        missing = re.search(r"([^\n{}]+); No such file", str(error))
        if missing is None:
            raise
        raise errors.RunError(
            f"The image {missing.group(1).strip()} was there when the run began and is "
            "gone; put it back and give the same command again: it goes on from the "
            "last checkpoint."
        ) from error
