"""Turns the flags of one run into the arguments of the modules that do the work."""

import keras
import tensorflow as tf
from absl import flags, logging

from adafilter_tf import distribution, errors, methods, training
from adafilter_tf.cli import checks, flagfile, recipes
from adafilter_tf.cli.flags import definition, tensorboard_flags
from adafilter_tf.data import augmentation as augmentation_lib
from adafilter_tf.data import pipeline
from adafilter_tf.data.augmentation import addons
from adafilter_tf.data.decoding import conversion, image_area
from adafilter_tf.data.decoding.preprocessing import ImageSpec
from adafilter_tf.data.examples import Examples, Splits
from adafilter_tf.models import backbones, initialization
from adafilter_tf.runs import run_options
from adafilter_tf.training.callbacks import checkpoint


def check_backend() -> None:
    """Checks that Keras computes with TensorFlow.

    Raises:
        UsageError: Another backend is chosen.
    """
    if keras.backend.backend() != "tensorflow":
        raise errors.UsageError(
            f"Received KERAS_BACKEND={keras.backend.backend()}; this command needs "
            "tensorflow. The layers, models and methods run on every backend."
        )


def place_data(values: flags.FlagValues) -> None:
    """Lets this process keep converted images below --data_dir."""
    conversion.keep_below(values.data_dir)


def resolve_defaults(values: flags.FlagValues) -> None:
    """Replaces defaults that depend on the backbone or the machine by their values."""
    spec = backbones.get_spec(values.backbone)
    values["image_size"].value = values.image_size or spec.image_size
    if values.precision == "auto":
        gpu = distribution.has_gpu()
        values["precision"].value = "mixed_float16" if gpu else "float32"
    keras.config.set_dtype_policy(values.precision)


def apply_recipe(values: flags.FlagValues, examples: Examples) -> str:
    """Sets the flags of --recipe that were not given; returns a line with their values.

    Args:
        values: The run's flags, with the defaults resolved.
        examples: The training split.
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


def build_model(
    values: flags.FlagValues, method: str, num_classes: int, *, strategy=None
) -> keras.Model:
    """Returns a method's uncompiled model on the run's backbone.

    Args:
        values: The run's flags.
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
        initialization.initialize(model, values.seed)
    return model


def image_spec(values: flags.FlagValues, model: keras.Model) -> ImageSpec:
    """Returns how an image becomes the pixels of a model."""
    return ImageSpec.of(
        model,
        values.crop_fraction,
        max_pixels=values.max_image_pixels,
        background=definition.parse_color(values.transparency_color),
    )


def training_input(
    values: flags.FlagValues, model: keras.Model, splits: Splits
) -> pipeline.TrainingInput:
    """Returns the images of a training and how it reads them.

    Args:
        values: The run's flags.
        model: Whose input gives size and channels.
        splits: See `dataset.load_splits`.
    """
    return pipeline.TrainingInput(
        splits,
        image_spec(values, model),
        augmentation(values),
        **_take(values, ("seed", "cache", "example_order")),
    )


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
    values: flags.FlagValues, num_examples: int, method: str | None = None
) -> training.TrainingOptions:
    """Returns the length and the batches of a training.

    Args:
        values: The run's flags.
        num_examples: Number of training examples.
        method: The method that trains; None for --method. A baseline whose first layers
            train does so without --cache_frozen_features.
    """
    whole_pass = distribution.count_steps_per_pass(num_examples, values.batch_size)
    cache_frozen_features = values.cache_frozen_features
    if cache_frozen_features and method not in (None, values.method):
        cache_frozen_features = checks.freezes_first_layers(values, method)
        if not cache_frozen_features:
            logging.info("%s trains all layers, without a cache of features.", method)
    return training.TrainingOptions(
        cache_frozen_features=cache_frozen_features,
        steps_per_epoch=values.steps_per_epoch or whole_pass,
        **_take(
            values,
            (
                "epochs",
                "batch_size",
                "log_every",
                "batch_norm",
                "renew_batch_norm_statistics",
            ),
        ),
    )


def logging_options(
    values: flags.FlagValues, method: str
) -> run_options.LoggingOptions:
    """Returns what TensorBoard shows of the training of `method`.

    Raises:
        UsageError: The steps to profile are not two steps in order.
    """
    return run_options.LoggingOptions(
        hyperparameters=flagfile.list_hyperparameters(values, method),
        profile_steps=tensorboard_flags.parse_profile_steps(values.profile_steps),
    )


def stopping_options(values: flags.FlagValues) -> run_options.StoppingOptions:
    """Returns when a training ends early."""
    names = ("monitor", "early_stopping_patience")
    return run_options.StoppingOptions(**_take(values, names))


def safety_options(values: flags.FlagValues) -> run_options.SafetyOptions:
    """Returns when a run is saved, and what it does at a non-finite loss."""
    names = ("checkpoint_steps", "checkpoint_minutes", "keep_checkpoints")
    return run_options.SafetyOptions(
        checkpoints=checkpoint.CheckpointOptions(**_take(values, names)),
        **_take(values, ("on_non_finite", "max_rollbacks")),
    )


def _take(values: flags.FlagValues, names) -> dict:
    return {name: values[name].value for name in names}
