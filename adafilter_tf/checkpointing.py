"""Checkpoints that are whole or do not count.

A checkpoint is the folder `step_<number>` with `arrays.npz`, every variable of model
and optimizer (seed generators and moving statistics included), and `checkpoint.json`
with the SHA-256 of that file. It is written under another name and renamed, so a killed
write leaves nothing that looks like a checkpoint, and a damaged file is found on
reading.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors

_KEPT = 2


@dataclasses.dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        step: Number of updates that its weights have had.
        method: The fine-tuning method that built the model.
        num_classes: K.
        train_seconds: Time spent in training up to it.
    """

    step: int
    method: str
    num_classes: int
    train_seconds: float


def save_checkpoint(
    folder: str | os.PathLike, model: keras.Model, info: CheckpointInfo
) -> None:
    """Writes a checkpoint of a compiled model and drops all but the newest two.

    Raises:
        RunError: When a weight is not finite; nothing is written then.
    """
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(model)]
    for variable, array in zip(_variables(model), arrays, strict=True):
        if not np.all(np.isfinite(array)):
            raise errors.RunError(
                f"The weight {variable.path} is not finite at step {info.step}; no "
                "checkpoint was written. Lower --learning_rate, --head_learning_rate "
                "or --gate_learning_rate and start again: the run goes on from its "
                "last checkpoint when nothing else changes."
            )
    target = pathlib.Path(folder) / f"step_{info.step:09d}"
    temporary = target.with_name(f".{target.name}.writing")
    for leftover in (temporary, target):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    with open(temporary / "arrays.npz", "wb") as file:
        np.savez(file, *arrays)
        _sync(file)
    digest = _sha256(temporary / "arrays.npz")
    with open(temporary / "checkpoint.json", "w") as file:
        json.dump({**dataclasses.asdict(info), "sha256": digest}, file)
        _sync(file)
    os.rename(temporary, target)
    for old in sorted(pathlib.Path(folder).glob("step_*"))[:-_KEPT]:
        shutil.rmtree(old)


def find_checkpoint(
    folder: str | os.PathLike, *, method: str, num_classes: int
) -> tuple[pathlib.Path, CheckpointInfo] | None:
    """Returns the newest whole checkpoint and what it says of itself.

    Args:
        folder: As given to `save_checkpoint`; need not exist.
        method: The method that is to own it.
        num_classes: K.

    Returns:
        Folder of the checkpoint and its info, or None when there is none. A damaged
        checkpoint is passed over with a warning.

    Raises:
        RunError: When the checkpoint belongs to another method or number of classes.
    """
    for path in sorted(pathlib.Path(folder).glob("step_*"), reverse=True):
        try:
            fields = json.loads((path / "checkpoint.json").read_text())
            if fields.pop("sha256") != _sha256(path / "arrays.npz"):
                raise ValueError("its SHA-256 differs from the one it was written with")
            info = CheckpointInfo(**fields)
        except (OSError, ValueError, KeyError, TypeError) as error:
            logging.warning("Passing over the damaged checkpoint %s: %s", path, error)
            continue
        _check_owner(path, info, method, num_classes)
        return path, info
    return None


def load_checkpoint(path: pathlib.Path, model: keras.Model) -> None:
    """Gives a model, compiled as when it was saved, a checkpoint's variables.

    Raises:
        RunError: When the checkpoint belongs to another architecture.
    """
    variables = _variables(model)
    with np.load(path / "arrays.npz", allow_pickle=False) as archive:
        arrays = [archive[f"arr_{index}"] for index in range(len(archive.files))]
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in arrays]:
        raise errors.RunError(
            f"The checkpoint {path} holds {len(arrays)} arrays that do not fit this "
            f"model's {len(shapes)} variables; it was written by another backbone or "
            "version. Choose another --output_dir."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _variables(model: keras.Model) -> list[keras.Variable]:
    # LossScaleOptimizer would create its variables a second time.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _check_owner(path, info, method, num_classes):
    for name, expected, found in (
        ("method", method, info.method),
        ("number of classes", num_classes, info.num_classes),
    ):
        if expected != found:
            raise errors.RunError(
                f"The checkpoint {path} has {name} {found}, this run has {expected}; "
                "choose another --output_dir or the settings of that run."
            )


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())
