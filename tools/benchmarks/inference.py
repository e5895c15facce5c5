"""The forms in which a network serves, and the time of a batch in each."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import keras
import numpy as np

from adafilter_tf import errors
from adafilter_tf.cli import trial
from adafilter_tf.data import splits
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.export import calibration
from adafilter_tf.files import atomic, model_file
from adafilter_tf.models import folding, gate_io
from adafilter_tf.runs import run_dir
from tools.benchmarks import interleaving, subjects

PLAIN = "plain"


@dataclasses.dataclass(frozen=True)
class Forms:
    """A network in each of its forms.

    Attributes:
        models: `plain` is the backbone with a head, `gated` the gated network,
            `exported` what its export computes, and `plain_exported` the backbone after
            the same folding, so that folded batch norms are nobody's merit.
        dependent_fraction: Share of the filters whose gate depends on the image, in
            `exported`.
        changed_fraction: Share of the run's validation predictions that `exported`
            changes; None for a random network and without validation images.
    """

    models: dict[str, keras.Model]
    dependent_fraction: float
    changed_fraction: float | None


def build_forms(
    settings: subjects.Settings,
    run: str | None = None,
    dependent_fraction: float = 1.0,
) -> Forms:
    """Returns the forms of a run's network, or of one with random weights.

    A run is folded as at export, calibrated on its training images and tried on its
    validation images. Of a random network only what no image can change is folded, or
    as if its gates were constants, 0 and 1 at random, but for a share in each layer.

    Args:
        settings: Of the benchmark; a run must have its image size.
        run: Folder of a finished run with gates on the same backbone.
        dependent_fraction: That share, of a network with random weights.

    Raises:
        errors.RunError: When the run is not finished or of another image size.
    """
    plain = subjects.build_model(settings, subjects.REFERENCE)
    if run is None:
        gated = subjects.build_model(settings, "adafilter")
        constants = _draw_constants(gated, dependent_fraction)
        folded, changed = folding.fold(gated, constants), None
    else:
        gated, folded, changed = _open_run(settings, pathlib.Path(run))
    models = {
        PLAIN: plain,
        "gated": gated,
        "exported": folded.model,
        "plain_exported": folding.fold(plain).model,
    }
    return Forms(models, folded.dependent_fraction, changed)


def measure(
    forms: Forms,
    settings: subjects.Settings,
    batch_sizes: Sequence[int],
    *,
    rounds: int,
    warm_up: int,
) -> dict[int, dict[str, interleaving.Times]]:
    """Returns the times of Keras' `predict_on_batch` by batch size and form."""
    times = {}
    for batch_size in batch_sizes:
        images = subjects.draw_images(settings, batch_size)
        functions = {
            name: functools.partial(model.predict_on_batch, images)
            for name, model in forms.models.items()
        }
        times[batch_size] = interleaving.measure(
            functions, rounds=rounds, warm_up=warm_up
        )
    return times


def save_files(forms: Forms, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes each form as a `.keras` file without optimizer; returns name to file."""
    paths = {name: folder / f"{name}.keras" for name in forms.models}
    for name, path in paths.items():
        model_file.save_model(forms.models[name], path)
    return paths


def _open_run(settings: subjects.Settings, root: pathlib.Path):
    """Returns a run's network, its export's, and the share of changed predictions."""
    folder = run_dir.RunDir(root)
    if not folder.model.exists():
        raise errors.RunError(
            f"Received --run={root}; it has no {folder.model.name}. Name the "
            "--output_dir of a finished training with gates."
        )
    model = model_file.load_model(folder.model)
    values = trial.parse_flags(atomic.read_text(folder.flagfile).splitlines())
    size = values.image_size
    if size != settings.image_size:
        raise errors.RunError(
            f"The run in {root} has images of {size} pixels and the benchmark of "
            f"{settings.image_size}; give --image_size={size} and its --backbone."
        )
    folded, report = calibration.fold_model(
        model,
        splits.read_splits(folder.splits),
        calibration.FoldOptions(),
        ImageSpec.of(model, values.crop_fraction),
    )
    images = report.validation_images
    return model, folded, report.changed_predictions / images if images else None


def _draw_constants(model: keras.Model, dependent_fraction: float) -> dict:
    """Returns the constants of `folding.fold`, NaN where a gate depends on an image."""
    rng = np.random.default_rng(0)
    constants = {}
    for name, gate in gate_io.list_gates(model).items():
        values = rng.integers(0, 2, gate.shape[-1]).astype("float32")
        values[rng.random(len(values)) < dependent_fraction] = np.nan
        constants[name] = values
    return constants
