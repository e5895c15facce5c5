"""Turns the flags of a run into its labelled images: loaded, split and verified."""

from absl import flags, logging

from adafilter_tf.data import sources, splits
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.data.integrity import manifest, verification
from adafilter_tf.models import backbones


def source_options(values: flags.FlagValues) -> dict[str, str | None]:
    """Returns how data sets are found and read."""
    return {
        "data_dir": values.data_dir,
        "image_key": values.image_key,
        "label_key": values.label_key,
    }


def load_source(values: flags.FlagValues) -> dict[str, Examples]:
    """Returns the labelled images of --dataset, by split."""
    return sources.load_source(values.dataset, **source_options(values))


def make_splits(values: flags.FlagValues, source: dict[str, Examples]) -> Splits:
    """Returns the run's splits of a data set, unreadable images included."""
    return splits.make_splits(
        source,
        seed=values.seed,
        test_seed=values.test_seed,
        validation_fraction=values.validation_fraction,
        test_fraction=values.test_fraction,
        examples_per_class=values.examples_per_class,
    )


def load_splits(
    values: flags.FlagValues, source: dict[str, Examples] | None = None
) -> tuple[Splits, tuple[verification.BadImage, ...]]:
    """Returns the run's splits without unreadable images, and a list of those.

    Args:
        values: The run's flags.
        source: See `load_source`, which None calls; then flags without effect on this
            data set are named in the log.

    Raises:
        RunError: See `verification.verify_images`.
    """
    if source is None:
        source = load_source(values)
        _warn_of_unused(values, source)
    return verification.verify_images(
        make_splits(values, source),
        bad_image_rule(values),
        channels=backbones.get_spec(values.backbone).channels,
        cache=manifest.default_path(values.dataset, values.data_dir),
    )


def _warn_of_unused(values: flags.FlagValues, source: dict[str, Examples]) -> None:
    needed_by = {
        "validation_fraction": "validation",
        "test_fraction": "test",
        "test_seed": "test",
    }
    for name, split in needed_by.items():
        if split in source and values[name].value != values[name].default:
            logging.warning(
                "%s has no effect: the data set has its own %s split.",
                values[name].serialize(),
                split,
            )


def bad_image_rule(values: flags.FlagValues) -> verification.Rule:
    """Returns what the run does about unreadable images."""
    return verification.Rule(
        values.on_bad_image, values.max_bad_fraction, values.max_image_pixels
    )
