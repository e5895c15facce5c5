"""From the flags of one run to the arguments of the modules that do the work."""

import pathlib

import keras
import tensorflow as tf
from absl import flags

from adafilter_tf import distribution, errors, methods, training
from adafilter_tf.cli import flagfile, recipes
from adafilter_tf.cli.flags import tensorboard_flags
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data import sources, splits
from adafilter_tf.data.augmentation import addons
from adafilter_tf.data.decoding import image_area
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.data.integrity import verification
from adafilter_tf.models import backbones, classifier
from adafilter_tf.models.backbones import custom, keras_file
from adafilter_tf.runs import run_callbacks, run_dir, training_run
from adafilter_tf.training.callbacks import checkpoint


def resolve_defaults(values: flags.FlagValues) -> None:
    """Replaces defaults that depend on the backbone or the machine by their values."""
    spec = backbones.get_spec(values.backbone)
    values.image_size = values.image_size or spec.image_size
    if values.precision == "auto":
        values.precision = "mixed_float16" if distribution.has_gpu() else "float32"
    keras.config.set_dtype_policy(values.precision)


def apply_recipe(values: flags.FlagValues, examples: Examples) -> str:
    """Sets the flags of --recipe that were not given; says which values they have.

    Args:
        values: Of the run, with the defaults resolved.
        examples: Of the training split.
    """
    task = recipes.Task(
        num_examples=len(examples),
        image_area=image_area.usual_area(examples),
        num_classes=len(examples.class_names),
        usual_image_size=backbones.get_spec(values.backbone).image_size,
    )
    chosen = recipes.RECIPES[values.recipe](task)
    given = [name for name in chosen if values[name].present]
    for name in chosen.keys() - given:
        values[name].value = chosen[name]
    side = round(task.image_area**0.5)
    return (
        f"Recipe {values.recipe} for {task.num_examples:,} images of about {side} x "
        f"{side} pixels, {task.num_classes} classes: "
        f"{' '.join(f'{name}={values[name].value}' for name in chosen)}; "
        f"given: {' '.join(given) or 'none'}"
    )


def make_splits(values: flags.FlagValues, source: dict[str, Examples]) -> Splits:
    """Returns the run's split of a data set."""
    return splits.make_splits(
        source,
        seed=values.seed,
        test_seed=values.test_seed,
        validation_fraction=values.validation_fraction,
        test_fraction=values.test_fraction,
        examples_per_class=values.examples_per_class,
    )


def bad_image_rule(values: flags.FlagValues) -> verification.Rule:
    """Returns what the run does about unreadable images."""
    return verification.Rule(**_take(values, ("on_bad_image", "max_bad_fraction")))


def load_source(values: flags.FlagValues) -> dict[str, Examples]:
    """Returns the labelled images of the run's data set."""
    return sources.load_source(values.dataset, **source_options(values))


def source_options(values: flags.FlagValues) -> dict:
    """Returns how data sets are found and read."""
    return _take(values, ("data_dir", "image_key", "label_key"))


def build_model(
    values: flags.FlagValues, method: str, num_classes: int, *, strategy=None
) -> keras.Model:
    """Returns a method's uncompiled model on the run's backbone.

    Args:
        values: Of the run.
        method: A key of METHODS.
        num_classes: K.
        strategy: In whose scope it is built; None for the present one.
    """
    strategy = strategy or tf.distribute.get_strategy()
    synchronized = values.synchronized_batch_norm
    chosen = methods.METHODS[method]
    with distribution.build_scope(strategy, synchronized=synchronized):
        backbone = backbones.build_backbone(
            values.backbone,
            image_size=values.image_size,
            synchronized=synchronized and strategy.num_replicas_in_sync > 1,
            **_take(values, ("weights", "pixel_range", "features_layer")),
        )
        options = _take(values, chosen.list_build_options())
        model = chosen.build(backbone, num_classes, **options)
        classifier.initialize_head(model, values.seed)
    return model


def image_options(values: flags.FlagValues) -> dict:
    """Returns what evaluation, prediction and export must know of images."""
    return {
        "image_size": values.image_size,
        "channels": _count_channels(values),
        "crop_fraction": values.crop_fraction,
    }


def _count_channels(values: flags.FlagValues) -> int:
    if custom.is_own(values.backbone) and values.output_dir:
        # A finished run needs its backbone's file no more.
        model = run_dir.RunDir(pathlib.Path(values.output_dir)).model
        if model.exists():
            return keras_file.read_input(str(model))[1]
    return backbones.get_spec(values.backbone).channels


def augmentation(values: flags.FlagValues) -> augmentation_lib.Augmentation:
    """Returns the random changes of training images."""
    return augmentation_lib.Augmentation(
        addons=addons.parse_operations(values.augmentation),
        **_take(
            values,
            (
                "random_resized_crop_min_area",
                "horizontal_flip",
                "randaugment",
                "mixup_alpha",
            ),
        ),
    )


def training_options(
    values: flags.FlagValues, num_examples: int
) -> training.TrainingOptions:
    """Returns the length and the batches of a training.

    Args:
        values: Of the run.
        num_examples: Of the training split.
    """
    whole_pass = distribution.count_steps_per_pass(num_examples, values.batch_size)
    return training.TrainingOptions(
        steps_per_epoch=values.steps_per_epoch or whole_pass,
        **_take(
            values,
            (
                "epochs",
                "batch_size",
                "seed",
                "cache",
                "log_every",
                "cache_frozen_features",
                "renew_batch_norm_statistics",
            ),
        ),
    )


def logging_options(
    values: flags.FlagValues, method: str
) -> run_callbacks.LoggingOptions:
    """Returns what TensorBoard is told of the training of `method`.

    Raises:
        UsageError: When the steps to profile are no two steps.
    """
    return run_callbacks.LoggingOptions(
        hyperparameters=flagfile.list_hyperparameters(values, method),
        profile_steps=tensorboard_flags.parse_profile_steps(values.profile_steps),
    )


def stopping_options(values: flags.FlagValues) -> run_callbacks.StoppingOptions:
    """Returns when a training ends early.

    Raises:
        UsageError: When something is to be monitored that nothing looks at.
    """
    if values.monitor != values["monitor"].default and (
        not values.early_stopping_patience
    ):
        raise errors.UsageError(
            f"Received --monitor={values.monitor} without --early_stopping_patience; "
            "nothing would look at it. Give both or none."
        )
    names = ("monitor", "early_stopping_patience")
    return run_callbacks.StoppingOptions(**_take(values, names))


def safety_options(values: flags.FlagValues) -> training_run.SafetyOptions:
    """Returns when a run is saved and what it does when its loss is no number."""
    names = ("checkpoint_steps", "checkpoint_minutes", "keep_checkpoints")
    return training_run.SafetyOptions(
        checkpoints=checkpoint.CheckpointOptions(**_take(values, names)),
        **_take(values, ("on_non_finite", "max_rollbacks")),
    )


def _take(values: flags.FlagValues, names) -> dict:
    return {name: values[name].value for name in names}
