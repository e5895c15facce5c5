"""Checkpoints that are whole or do not count.

A checkpoint is the folder `step_<number>` with `arrays.npz`, every variable of model
and optimizer (seed generators and moving statistics included), `metrics.npz`, the
metrics of the epoch so far, and `checkpoint.json` with the SHA-256 of both and of
what it says itself. It is written under another name and renamed, so a killed write
leaves nothing that looks like a checkpoint, and a damaged file is found on reading.
"""

import dataclasses
import hashlib
import json
import os
import pathlib

import keras
import numpy as np
from absl import logging

from adafilter_tf import errors
from adafilter_tf.distribution import workers as workers_lib
from adafilter_tf.distribution.workers import Workers
from adafilter_tf.files import atomic, untrusted

_FILES = ("arrays.npz", "metrics.npz")
_MAX_INFO_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        step: Number of updates that its weights have had.
        method: The fine-tuning method that built the model.
        num_classes: K.
        train_seconds: Time spent in training up to it.
        rollbacks: Number of returns to an earlier checkpoint up to it.
    """

    step: int
    method: str
    num_classes: int
    train_seconds: float
    rollbacks: int = 0


def save_checkpoint(
    folder: str | os.PathLike,
    model: keras.Model,
    info: CheckpointInfo,
    *,
    keep: int = 3,
    workers: Workers = workers_lib.ALONE,
) -> None:
    """Writes a checkpoint of a compiled model and drops all but the newest.

    Of several workers the chief writes; all of them ask for it.

    Args:
        folder: Of the checkpoints of one training; made when missing.
        model: Compiled.
        info: What the checkpoint says of itself.
        keep: Number of checkpoints that stay, at least 1.
        workers: Of the run.

    Raises:
        NonFiniteError: When a weight is not finite; nothing is written then.
        RunError: When it cannot be written, on a full disk for instance; the earlier
            checkpoints are whole then.
    """
    # Each worker has a part of what the metrics counted; reading them adds it up.
    metrics = [keras.ops.convert_to_numpy(value) for value in model.metrics_variables]
    target = pathlib.Path(folder) / _name(info.step)
    workers.broadcast_from_chief(lambda: _write(target, model, metrics, info, keep))


def _write(target, model, metrics, info, keep) -> None:
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(model)]
    for variable, array in zip(_variables(model), arrays, strict=True):
        if not np.all(np.isfinite(array)):
            raise errors.NonFiniteError(
                f"The weight {variable.path} is not finite at step {info.step}; no "
                "checkpoint of it was written."
            )
    temporary = atomic.temporary_path(target)
    atomic.remove(temporary)
    try:
        temporary.mkdir(parents=True)
        for name, content in zip(_FILES, (arrays, metrics), strict=True):
            np.savez(temporary / name, *content)
        digests = _digests(temporary, dataclasses.asdict(info))
        description = {**dataclasses.asdict(info), "sha256": digests}
        (temporary / "checkpoint.json").write_text(json.dumps(description))
        atomic.remove(target)
        atomic.publish(temporary, target)
    except OSError as error:
        atomic.remove(temporary)
        raise _write_error(target, error) from error
    _drop_old(target, keep)


def save_arrays(path: pathlib.Path, arrays: list[np.ndarray]) -> None:
    """Writes arrays to a file, atomically.

    Raises:
        RunError: When it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as temporary:
            np.savez(temporary, *arrays)
    except OSError as error:
        raise _write_error(path, error) from error


def load_arrays(path: pathlib.Path) -> list[np.ndarray]:
    """Returns the arrays of a file.

    Raises:
        RunError: When the file is missing or damaged.
    """
    # They were written without compression.
    max_bytes = path.stat().st_size if path.exists() else 0
    arrays = untrusted.load_arrays(path, max_bytes=max_bytes)
    return [arrays[name] for name in sorted(arrays, key=lambda name: (len(name), name))]


def find_checkpoint(
    folder: str | os.PathLike,
    *,
    method: str,
    num_classes: int,
    workers: Workers = workers_lib.ALONE,
) -> tuple[pathlib.Path, CheckpointInfo] | None:
    """Returns the newest whole checkpoint and what it says of itself.

    Args:
        folder: As given to `save_checkpoint`; need not exist.
        method: The method that is to own it.
        num_classes: K.
        workers: Of the run; the chief looks.

    Returns:
        Folder of the checkpoint and its info, or None when there is none. A damaged
        checkpoint is passed over with a warning.

    Raises:
        RunError: When the checkpoint belongs to another method or number of classes.
    """
    found = workers.broadcast_from_chief(lambda: _find(folder, method, num_classes))
    if found is None:
        return None
    path, fields = found
    return pathlib.Path(path), CheckpointInfo(**fields)


def _find(folder, method, num_classes) -> tuple[str, dict] | None:
    for path in sorted(pathlib.Path(folder).glob("step_*"), reverse=True):
        try:
            info = _read_info(path)
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            logging.warning(
                "Passing over the damaged checkpoint %s: %s",
                path,
                errors.explain(error),
            )
            continue
        _check_owner(path, info, method, num_classes)
        return str(path), dataclasses.asdict(info)
    return None


def load_checkpoint(
    path: pathlib.Path, model: keras.Model, workers: Workers = workers_lib.ALONE
) -> None:
    """Gives a model, compiled as when it was saved, a checkpoint's variables.

    Raises:
        RunError: When the checkpoint belongs to another architecture.
    """
    variables = _variables(model)
    arrays = workers.broadcast_from_chief(lambda: load_arrays(path / "arrays.npz"))
    expected = [(tuple(each.shape), str(each.dtype)) for each in variables]
    if expected != [(array.shape, str(array.dtype)) for array in arrays]:
        raise errors.RunError(
            f"The checkpoint {path} holds {len(arrays)} arrays that do not fit this "
            f"model's {len(variables)} variables; another backbone or version wrote "
            "it. Choose another --output_dir."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _read_info(path: pathlib.Path) -> CheckpointInfo:
    """Returns what a checkpoint says of itself, if its files are what it says."""
    description = path / "checkpoint.json"
    if description.stat().st_size > _MAX_INFO_BYTES:
        raise ValueError(f"its description has more than {_MAX_INFO_BYTES} bytes")
    fields = json.loads(description.read_text(encoding="utf-8"))
    if not isinstance(fields, dict):
        raise ValueError("its description is no JSON object")
    if fields.pop("sha256") != _digests(path, fields):
        raise ValueError("its SHA-256 differs from the one it was written with")
    info = CheckpointInfo(**fields)
    for name, kind in CheckpointInfo.__annotations__.items():
        if type(getattr(info, name)) is not kind:
            raise ValueError(f"its {name} is {getattr(info, name)!r}")
    if path.name != _name(info.step) or info.step < 1 or info.rollbacks < 0:
        raise ValueError(f"it says that it is of step {info.step}")
    return info


def load_metrics(
    path: pathlib.Path, model: keras.Model, workers: Workers = workers_lib.ALONE
) -> None:
    """Gives a model's metrics what they had counted of the checkpoint's epoch."""
    arrays = workers.broadcast_from_chief(lambda: load_arrays(path / "metrics.npz"))
    expected = [tuple(value.shape) for value in model.metrics_variables]
    if [array.shape for array in arrays] == expected:
        for variable, array in zip(model.metrics_variables, arrays, strict=True):
            variable.assign(array)  # TensorFlow gives each replica an equal part


def list_steps(folder: str | os.PathLike | None) -> list[int]:
    """Returns the steps of the checkpoints in a folder; None has none."""
    paths = pathlib.Path(folder).glob("step_*") if folder else ()
    numbers = (path.name.removeprefix("step_") for path in paths)
    return sorted(int(number) for number in numbers if number.isdecimal())


def _name(step: int) -> str:
    return f"step_{step:09d}"


def _drop_old(newest: pathlib.Path, keep: int) -> None:
    paths = sorted(newest.parent.glob("step_*"))  # folders, or what stands there
    # What lies beyond the newest was found damaged when the run went on before it.
    place = paths.index(newest) + 1
    for path in [*paths[: max(0, place - keep)], *paths[place:]]:
        atomic.remove(path)


def _write_error(path: pathlib.Path, error: OSError) -> errors.RunError:
    return errors.RunError(
        f"{path} could not be written: {error.strerror or error}. The earlier "
        "checkpoints are whole; make room and give the same command again: it resumes "
        "from the last one."
    )


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


def _digests(path: pathlib.Path, fields: dict) -> dict[str, str]:
    """Returns the SHA-256 of a checkpoint's files, and of what it says of itself."""
    said = json.dumps(fields, sort_keys=True).encode()
    return {
        **{name: _sha256(path / name) for name in _FILES},
        "info": hashlib.sha256(said).hexdigest(),
    }


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
