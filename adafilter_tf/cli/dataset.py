"""From the flags of a run to its labelled images: loaded, split and verified."""

from absl import flags

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
        values: Of the run.
        source: See `load_source`, which None calls.

    Raises:
        RunError: See `verification.verify_images`.
    """
    found = make_splits(values, load_source(values) if source is None else source)
    return verification.verify_images(
        found,
        bad_image_rule(values),
        channels=backbones.get_spec(values.backbone).channels,
        cache=manifest.default_path(values.dataset, values.data_dir),
    )


def bad_image_rule(values: flags.FlagValues) -> verification.Rule:
    """Returns what the run does about unreadable images."""
    return verification.Rule(values.on_bad_image, values.max_bad_fraction)
