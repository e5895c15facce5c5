"""The file of a trained model, without its optimizer."""

import pathlib

import keras

from adafilter_tf import errors
from adafilter_tf.files import atomic, untrusted


def save_model(model: keras.Model, path: pathlib.Path) -> None:
    """Writes a model without its optimizer, atomically."""
    with atomic.replacing(path) as temporary:
        # A model of the same layers, so that the file holds no optimizer.
        keras.Model(model.input, model.output, name=model.name).save(temporary)


def load_model(path: pathlib.Path) -> keras.Model:
    """Returns the model of a file, uncompiled; the file may come from a stranger.

    Raises:
        RunError: When it is damaged, holds what a model of this package does not have,
            or is of a version that this one cannot read.
    """
    try:
        return untrusted.load_model(path)
    # Keras raises what its parts do: of zip files, JSON, HDF5, configurations.
    except Exception as error:
        raise errors.RunError(
            f"{path} cannot be loaded by adafilter_tf on Keras {keras.__version__}: "
            f"{errors.explain(error)}. It is damaged, or another version or program "
            "wrote it; use that version (its card in export/*/assets.extra names it) "
            "or train again."
        ) from error
