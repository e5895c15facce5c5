"""The images: where they are, how they are split, read and changed."""

from adafilter_tf.data import pipeline
from adafilter_tf.data.augmentation import addons
from adafilter_tf.data.integrity import verification


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.string(
        "dataset",
        "digits",
        "digits (bundled), folder:PATH with class/image.jpg or train|validation|test/"
        "class/image.jpg, csv:FILE with the columns path,label[,split], tfrecord:FILES "
        "or parquet:FILES (a file, a folder, a glob), vtab:NAME for VTAB-1k's 800 and "
        "200 images, or the name of a TFDS data set.",
    )
    for name, what in (("image_key", "images"), ("label_key", "classes")):
        kinds.string(
            name,
            None,
            f"Feature or column of the {what} in TFRecord and Parquet files; none for "
            "the first of the usual names.",
        )
    kinds.string(
        "data_dir",
        None,
        "Where TFDS data and extracted images lie; none for TFDS' own default.",
    )
    kinds.integer(
        "image_size", None, "Pixels; none for the backbone's usual size.", lower_bound=1
    )
    kinds.float(
        "validation_fraction",
        0.2,
        "Share of the training examples held out for validation, where the data have "
        "no validation split of their own.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    kinds.float(
        "test_fraction",
        0.2,
        "Share of the examples held out for the test, where the data have none.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    kinds.integer(
        "test_seed",
        None,
        "Of the choice of the test images, so that runs of several seeds share them; "
        "none for --seed.",
        lower_bound=0,
    )
    kinds.integer(
        "examples_per_class",
        None,
        "Training examples used per class; none for all.",
        lower_bound=1,
    )
    kinds.enum(
        "on_bad_image",
        "error",
        verification.ON_BAD_IMAGE,
        "An unreadable image ends the run, or is left out, counted and listed.",
    )
    kinds.float(
        "max_bad_fraction",
        0.1,
        "Share of the images that --on_bad_image=skip may leave out; more of them end "
        "the run.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    kinds.enum(
        "cache",
        "none",
        pipeline.CACHES,
        "What of the training images stays in memory: nothing, files or pixels.",
    )
    kinds.boolean(
        "cache_frozen_features",
        False,
        "Compute what the frozen layers in front of --gate_from or --tune_blocks make "
        "of the training images once and keep it in memory. Needs training without "
        "augmentation; gives the same results.",
    )
    kinds.float(
        "crop_fraction",
        0.875,
        "Side of the central square that evaluation sees, as a share of the image's "
        "shorter side.",
        lower_bound=0.1,
        upper_bound=1.0,
    )
    kinds.float(
        "random_resized_crop_min_area",
        1.0,
        "Smallest share of the image in a random training crop; 1 turns it off.",
        lower_bound=0.01,
        upper_bound=1.0,
    )
    kinds.boolean("horizontal_flip", False, "Mirror training images at random.")
    kinds.boolean("randaugment", False, "RandAugment on training images.")
    kinds.string(
        "augmentation",
        None,
        "tfa: and operations of tensorflow-addons, such as tfa:rotate,cutout; needs "
        f"requirements-addons.txt. There are {', '.join(addons.OPERATIONS)}.",
    )
    kinds.float(
        "mixup_alpha",
        0.0,
        "MixUp with weights from Beta(alpha, alpha); 0 is off.",
        lower_bound=0.0,
    )
