"""The linear classifier on frozen features, beside a training or as its start."""

import functools
import pathlib
from collections.abc import Callable

import keras
from absl import flags, logging

from adafilter_tf import training
from adafilter_tf.data import pipeline
from adafilter_tf.data.examples import Splits
from adafilter_tf.distribution import workers
from adafilter_tf.evaluation import feature_probe
from adafilter_tf.runs import run_dir

# Of the training's time; a forward pass is a third of a step.
_LARGEST_SHARE = 0.1
_FORWARD_SHARE = 1 / 3


def start(
    values: flags.FlagValues,
    model: keras.Model,
    data: pipeline.TrainingInput,
    options: training.TrainingOptions,
    team: workers.Workers,
) -> feature_probe.FeatureProbe | None:
    """Returns the run's probe, once the head has started as --head_init says.

    The methods of a run share it: before training all have the same features.

    Args:
        values: The run's flags.
        model: Not trained yet.
        data: Of the run.
        options: Length of the training, for --probe=auto.
        team: The run's workers.
    """
    if not _is_wanted(values, data, options):
        return None
    path = run_dir.RunDir(pathlib.Path(values.output_dir)).probe
    read = functools.partial(_read, path)
    found = team.broadcast_from_chief(read)
    if found is None:
        measured = _measure(values, model, data, dict(data.splits.items()))
        # What the chief computed, to the last bit.
        found = team.broadcast_from_chief(lambda: _write(measured, path))
        accuracies = measured.list_metrics().items()
        logging.info(
            "Accuracy of a linear classifier on the frozen features: %s.",
            ", ".join(
                f"{name.split('_')[1]} {100 * x:.1f} %" for name, x in accuracies
            ),
        )
    probe = feature_probe.FeatureProbe(**found)
    if values.head_init == "probe":
        probe.start_head(model)
    return probe


def start_head(
    values: flags.FlagValues,
    model: keras.Model,
    data: pipeline.TrainingInput,
    read: Callable | None = None,
) -> None:
    """Starts the head of a training in memory as --head_init says.

    Args:
        values: The run's flags.
        model: Not trained yet.
        data: Of the run.
        read: See `feature_probe.measure`.
    """
    if values.head_init == "probe":
        splits = {"train": data.splits.train, "validation": data.splits.validation}
        _measure(values, model, data, splits, read).start_head(model)


def is_cheap(num_images: int, options: training.TrainingOptions) -> bool:
    """Returns whether a forward pass of the images is a small part of the training.

    Args:
        num_images: Of all splits that the probe reads.
        options: Of the training.

    Example:
        >>> options = training.TrainingOptions(10, 100, batch_size=32, log_every=10)
        >>> is_cheap(9_600, options), is_cheap(9_601, options)
        (True, False)
    """
    trained = options.total_steps * options.batch_size
    return _FORWARD_SHARE * num_images <= _LARGEST_SHARE * trained


def count_images(values: flags.FlagValues, splits: Splits) -> int:
    """Returns how many images a probe of these splits reads, if there may be one."""
    if values.weights == "random" or values.probe == "never":
        return 0
    read = min(len(splits.train), feature_probe.MAX_TRAINING_IMAGES)
    return read + len(splits.validation) + len(splits.test)


def _is_wanted(values, data, options) -> bool:
    num_images = count_images(values, data.splits)
    if not num_images or values.probe == "always" or values.head_init == "probe":
        return num_images > 0
    return is_cheap(num_images, options)


def _measure(values, model, data, splits, read=None) -> feature_probe.FeatureProbe:
    return feature_probe.measure(
        model,
        splits,
        data.spec,
        batch_size=values.batch_size,
        seed=values.seed,
        read=read,
    )


def _write(probe: feature_probe.FeatureProbe, path: pathlib.Path) -> dict:
    path.parent.mkdir(parents=True, exist_ok=True)
    feature_probe.save(probe, path)
    return vars(probe)


def _read(path: pathlib.Path) -> dict | None:
    return vars(feature_probe.load(path)) if path.exists() else None
