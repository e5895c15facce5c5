"""The forms in which a network serves, and the time of a batch in each."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import keras

from adafilter_tf import errors, fold_run, model_file, run_dir
from adafilter_tf.data import splits
from adafilter_tf.models import folding
from tools.benchmarks import interleaving, subjects

PLAIN = "plain"


@dataclasses.dataclass(frozen=True)
class Forms:
    """A network in each of its forms.

    Attributes:
        models: `plain` is the backbone with a head, `gated` the gated network;
            `plain_exported` and `exported` are what an export makes of each. Without a
            run the gates are of random weights, and only what no image can change is
            folded.
    """

    models: dict[str, keras.Model]


def build_forms(settings: subjects.Settings, run: str | None = None) -> Forms:
    """Returns the forms of a run's network, or of one with random weights.

    Args:
        settings: Of the benchmark; a run must have its image size.
        run: Folder of a finished run with gates on the same backbone.

    Raises:
        errors.RunError: When the run is not finished or of another image size.
    """
    plain = subjects.build_model(settings, subjects.REFERENCE)
    if run is None:
        gated = subjects.build_model(settings, "adafilter")
        folded = folding.fold(gated)
    else:
        gated = _open_run(settings, pathlib.Path(run))
        folded = _fold_run(gated, settings, pathlib.Path(run))
    return Forms(
        {
            PLAIN: plain,
            "plain_exported": folding.fold(plain).model,
            "gated": gated,
            "exported": folded.model,
        }
    )


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


def _fold_run(model, settings: subjects.Settings, root: pathlib.Path):
    """Folds a run's network as its export does, with the whole image as the crop."""
    folded, _ = fold_run.fold_model(
        model,
        splits.read_splits(run_dir.RunDir(root).splits),
        fold_run.FoldOptions(),
        image_options={
            "image_size": settings.image_size,
            "channels": model.input.shape[-1],
            "crop_fraction": 1.0,
        },
    )
    return folded


def _open_run(settings: subjects.Settings, root: pathlib.Path):
    folder = run_dir.RunDir(root)
    if not folder.model.exists():
        raise errors.RunError(
            f"Received --run={root}; it has no {folder.model.name}. Name the "
            "--output_dir of a finished training with gates."
        )
    model = model_file.load_model(folder.model)
    size, channels = model.input.shape[2:]
    if size != settings.image_size:
        raise errors.RunError(
            f"The run in {root} has images of {size} pixels and the benchmark of "
            f"{settings.image_size}; give --image_size={size} and its --backbone."
        )
    return model
