"""The images: where they are, how they are split, read and augmented."""

from adafilter_tf.cli.flags import choices, definition
from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of images."""
    _define_source(kinds)
    _define_splits(kinds)
    _define_reading(kinds)
    _define_augmentation(kinds)


def _define_source(kinds: Definer) -> None:
    kinds.string(
        "dataset",
        "digits",
        "digits or emoji (bundled), folder:PATH with class/image.jpg or "
        "train|validation|test/class/image.jpg, csv:FILE with the columns "
        "path,label[,split], either by its path alone, tfrecord:FILES or "
        "parquet:FILES (a file, a folder, a glob), vtab:NAME for VTAB-1k's 800 and "
        "200 images, or the name of a TFDS data set.",
    )
    for name, what in (("image_key", "images"), ("label_key", "classes")):
        kinds.string(
            name,
            None,
            f"Feature or column of the {what} in TFRecord and Parquet files and in "
            "TFDS; none for the first of the usual names.",
        )
    kinds.path(
        "data_dir",
        None,
        "Folder of TFDS data and of extracted images; none for TFDS' own default.",
    )
    kinds.enum(
        "on_bad_image",
        "error",
        choices.ON_BAD_IMAGE,
        "error: an unreadable image ends the run. skip: it is left out, counted and "
        "listed.",
    )
    kinds.float(
        "max_bad_fraction",
        0.1,
        "Fraction of the images that --on_bad_image=skip may leave out; more end the "
        "run.",
        lower_bound=0.0,
        upper_bound=1.0,
    )


def _define_splits(kinds: Definer) -> None:
    kinds.float(
        "validation_fraction",
        0.2,
        "Fraction of the training examples held out for validation, where the data "
        "set has no validation split.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    kinds.float(
        "test_fraction",
        0.2,
        "Fraction of the examples held out for the test, where the data set has no "
        "test split.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    kinds.integer(
        "test_seed",
        None,
        "Seed of the choice of test images, so that runs of several seeds share them; "
        "none for --seed.",
        lower_bound=0,
    )
    kinds.integer(
        "examples_per_class",
        None,
        "Training examples used per class; none for all.",
        lower_bound=1,
    )


def _define_reading(kinds: Definer) -> None:
    kinds.integer(
        "image_size",
        None,
        "Side of the images in pixels; none for the backbone's usual size.",
        lower_bound=1,
        upper_bound=8192,
    )
    kinds.float(
        "crop_fraction",
        0.875,
        "Side of the central square that evaluation sees, as a fraction of the image's "
        "shorter side.",
        lower_bound=0.1,
        upper_bound=1.0,
    )
    kinds.integer(
        "max_image_pixels",
        2**27,
        "Images with more pixels (height times width) cannot be used; the limit of a "
        "served model is another one.",
        lower_bound=1,
        upper_bound=choices.MOST_PIXELS,
    )
    kinds.color(
        "transparency_color",
        "white",
        "What shows behind transparent pixels, also in the served model: "
        f"{', '.join(definition.COLORS)} or #rrggbb.",
    )
    kinds.integer(
        "example_order",
        2,
        "Version of the order of the training examples; 1 is that of runs that do not "
        "name one, whose epochs repeat after 256.",
        lower_bound=1,
        upper_bound=2,
    )
    kinds.enum(
        "cache",
        "none",
        choices.CACHES,
        "What is kept in memory of the training images: nothing, their files or their "
        "pixels.",
    )
    kinds.boolean(
        "cache_frozen_features",
        False,
        "Computes once what the frozen layers before --gate_from or --tune_blocks make "
        "of the training images, and keeps it in memory. Needs training without "
        "augmentation; gives the same results.",
    )


def _define_augmentation(kinds: Definer) -> None:
    kinds.float(
        "random_resized_crop_min_area",
        1.0,
        "Smallest fraction of the image's area in a random training crop; 1 is off.",
        lower_bound=0.01,
        upper_bound=1.0,
    )
    kinds.boolean("horizontal_flip", False, "Mirrors training images at random.")
    kinds.boolean("randaugment", False, "RandAugment on training images.")
    kinds.string(
        "augmentation",
        None,
        "tfa: and operations of tensorflow-addons, such as tfa:rotate,cutout; needs "
        f"requirements-addons.txt. Allowed are {', '.join(choices.ADDONS)}.",
    )
    kinds.float(
        "mixup_alpha",
        0.0,
        "MixUp with weights from Beta(alpha, alpha); 0 is off.",
        lower_bound=0.0,
    )
