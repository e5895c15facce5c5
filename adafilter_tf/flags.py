"""Every flag and its default, once.

Only this module, `flagfile.py` and `run.py` know flags; everything below takes
arguments.
"""

import functools
import types

from absl import flags

from adafilter_tf import methods, optimization
from adafilter_tf.data import pipeline
from adafilter_tf.layers import gated_batch_norm
from adafilter_tf.models import backbones

MODES = ("train", "evaluate", "predict", "export")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines all flags of the command line on `values`."""
    kinds = ("boolean", "enum", "float", "integer", "list", "string")
    define = types.SimpleNamespace(
        **{
            kind: functools.partial(
                getattr(flags, f"DEFINE_{kind}"), flag_values=values
            )
            for kind in kinds
        }
    )
    _define_run_flags(define)
    _define_data_flags(define)
    _define_method_flags(define)
    _define_training_flags(define)


def _define_run_flags(define):
    define.enum(
        "mode",
        "train",
        MODES,
        "train: fine-tune, evaluate on test and export. evaluate, predict, export: do "
        "that with the trained model in --output_dir.",
    )
    define.string(
        "output_dir", None, "Folder of the run; a run found there is resumed."
    )
    define.integer(
        "seed",
        0,
        "Of the split, the new weights, the order and the augmentation.",
        lower_bound=0,
    )
    define.list("images", [], "Mode predict: files, folders and globs.")
    define.string(
        "predictions", None, "Mode predict: CSV file to write; standard output if none."
    )
    define.integer("top_k", 3, "Mode predict: classes named per image.", lower_bound=1)


def _define_data_flags(define):
    define.string(
        "dataset",
        "digits",
        "digits (bundled), folder:PATH with class/image.jpg or train|validation|test/"
        "class/image.jpg, csv:FILE with the columns path,label[,split], or the name of "
        "a TFDS data set.",
    )
    define.string(
        "data_dir",
        None,
        "Where TFDS data and extracted images lie; none for TFDS' own default.",
    )
    define.integer(
        "image_size", None, "Pixels; none for the backbone's usual size.", lower_bound=1
    )
    define.float(
        "validation_fraction",
        0.2,
        "Share of the training examples held out for validation, where the data have "
        "no validation split of their own.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    define.float(
        "test_fraction",
        0.2,
        "Share of the examples held out for the test, where the data have none.",
        lower_bound=0.01,
        upper_bound=0.9,
    )
    define.integer(
        "examples_per_class",
        None,
        "Training examples used per class; none for all.",
        lower_bound=1,
    )
    define.enum(
        "on_bad_image",
        "error",
        ("error", "skip"),
        "An unreadable image ends the run, or is left out, counted and listed.",
    )
    define.enum(
        "cache",
        "none",
        pipeline.CACHES,
        "What of the training images stays in memory: nothing, files or pixels.",
    )
    define.float(
        "crop_fraction",
        0.875,
        "Side of the central square that evaluation sees, as a share of the image's "
        "shorter side.",
        lower_bound=0.1,
        upper_bound=1.0,
    )
    define.float(
        "random_resized_crop_min_area",
        1.0,
        "Smallest share of the image in a random training crop; 1 turns it off.",
        lower_bound=0.01,
        upper_bound=1.0,
    )
    define.boolean("horizontal_flip", False, "Mirror training images at random.")
    define.boolean("randaugment", False, "RandAugment on training images.")
    define.float(
        "mixup_alpha",
        0.0,
        "MixUp with weights from Beta(alpha, alpha); 0 is off.",
        lower_bound=0.0,
    )


def _define_method_flags(define):
    define.enum("method", "adafilter", list(methods.METHODS), "How to fine-tune.")
    define.enum(
        "baseline",
        None,
        list(methods.METHODS),
        "A second method trained on the same split and budget, to compare with.",
    )
    define.enum(
        "backbone", "resnet50", list(backbones.BACKBONES), "The pre-trained network."
    )
    define.string(
        "weights", "pretrained", "pretrained, random, or the path of an .h5 file."
    )
    define.string(
        "gate_from",
        None,
        "adafilter: first layer to gate, by the start of its name, such as conv4; the "
        "layers before it stay frozen. None gates all.",
    )
    define.integer(
        "gate_units", 64, "adafilter: width of the recurrent cell.", lower_bound=1
    )
    define.float(
        "gate_initial_bias",
        0.0,
        "adafilter: 0 starts undecided, above 0 with tuned, below with frozen filters.",
    )
    define.enum(
        "frozen_statistics",
        "fixed",
        gated_batch_norm.FROZEN_STATISTICS,
        "adafilter: batch norm statistics of the frozen filters.",
    )
    define.string(
        "tune_blocks", "all", "fine_tuning: all, none, or how many of the last blocks."
    )


def _define_training_flags(define):
    define.integer("epochs", 30, "Number of epochs.", lower_bound=1)
    define.integer(
        "steps_per_epoch",
        None,
        "Steps between two validations and checkpoints; none for one pass over the "
        "training examples.",
        lower_bound=1,
    )
    define.integer(
        "batch_size", 32, "Examples per step over all devices.", lower_bound=1
    )
    define.enum(
        "optimizer",
        "sgd",
        optimization.OPTIMIZERS,
        "Of backbone and head; the gates always have Adam.",
    )
    for name, default, of in (
        ("learning_rate", 0.01, "the backbone"),
        ("head_learning_rate", 0.01, "the head"),
        ("gate_learning_rate", 0.001, "the gates"),
    ):
        define.float(
            name, default, f"Peak learning rate of {of}.", lower_bound=0.0)  # fmt: skip
    define.float(
        "weight_decay",
        0.0,
        "Decoupled; of the kernels of backbone and head.",
        lower_bound=0.0,
    )
    define.float(
        "warmup_fraction",
        0.1,
        "Share of the steps in which the rates rise.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    define.enum(
        "precision",
        "auto",
        ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
        "auto: mixed_float16 on GPUs, float32 elsewhere.",
    )
    define.enum(
        "jit_compile",
        "auto",
        ("auto", "on", "off"),
        "XLA for the training step; auto: on one GPU.",
    )
    define.list("devices", [], "Such as GPU:0,GPU:1; empty for all visible GPUs.")
    define.integer(
        "log_every",
        50,
        "Steps between two points of TensorBoard's batch curve.",
        lower_bound=1,
    )
