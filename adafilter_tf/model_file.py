"""The file of a trained model, without its optimizer."""

import os
import pathlib

import keras

from adafilter_tf import errors


def save_model(model: keras.Model, path: pathlib.Path) -> None:
    """Writes a model under a temporary name, then under its own."""
    temporary = path.with_name("writing.keras")
    # A model of the same layers, so that the file holds no optimizer.
    keras.Model(model.input, model.output, name=model.name).save(temporary)
    os.replace(temporary, path)


def load_model(path: pathlib.Path) -> keras.Model:
    """Returns the model of a file, uncompiled. Keras loads it in safe mode.

    Raises:
        RunError: When it is damaged, or of a version that this one cannot read.
    """
    try:
        return keras.saving.load_model(path, compile=False)
    # Keras raises what its parts do: of zip files, JSON, HDF5, configurations.
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise errors.RunError(
            f"{path} cannot be loaded by adafilter_tf on Keras {keras.__version__}: "
            f"{reason} It is damaged, or another version wrote it; use that version "
            "(its card in export/*/assets.extra names it) or train again."
        ) from error
