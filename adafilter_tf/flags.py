"""Every flag and its default, once; those of the methods in `method_flags.py`.

Only these two, `flagfile.py`, `settings.py`, `cell.py` and `run.py` know flags;
everything below takes arguments.
"""

import functools
import types

from absl import flags

from adafilter_tf import method_flags, optimization
from adafilter_tf.data import pipeline

MODES = ("train", "evaluate", "predict", "export", "compare")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines all flags of the command line on `values`."""
    kinds = (
        "boolean",
        "enum",
        "float",
        "integer",
        "list",
        "multi_string",
        "string",
    )
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
    method_flags.define_method_flags(define)
    _define_training_flags(define)
    _define_safety_flags(define)
    _define_comparison_flags(define)


def _define_run_flags(define):
    define.enum(
        "mode",
        "train",
        MODES,
        "train: fine-tune, evaluate on test and export. evaluate, predict, export: do "
        "that with the trained model in --output_dir. compare: methods, tasks and "
        "seeds, with a search of the hyper-parameters, to tables and a plot.",
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
    define.list(
        "export_formats",
        ["saved_model"],
        "What is exported: saved_model, onnx, litert, litert_int8.",
    )
    define.list("images", [], "Mode predict: files, folders and globs.")
    define.string(
        "predictions", None, "Mode predict: CSV file to write; standard output if none."
    )
    define.integer(
        "top_k",
        3,
        "Classes named per image, in mode predict and by the exported model.",
        lower_bound=1,
    )


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
        "test_seed",
        None,
        "Of the choice of the test images, so that runs of several seeds share them; "
        "none for --seed.",
        lower_bound=0,
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


def _define_safety_flags(define):
    define.integer(
        "checkpoint_steps",
        0,
        "Steps between two checkpoints within an epoch; 0 for none but at its end.",
        lower_bound=0,
    )
    define.float(
        "checkpoint_minutes",
        0.0,
        "Minutes after which the next step writes a checkpoint; 0 is off.",
        lower_bound=0.0,
    )
    define.integer(
        "keep_checkpoints",
        3,
        "Checkpoints that stay, the newest; the earlier ones serve when it is damaged.",
        lower_bound=1,
    )
    define.enum(
        "on_non_finite",
        "stop",
        ("stop", "rollback"),
        "A loss or weight that is no finite number ends the run, or takes it back to "
        "the last checkpoint with half the learning rates.",
    )
    define.integer(
        "max_rollbacks", 3, "Of one run; the next one ends it.", lower_bound=0
    )


def _define_comparison_flags(define):
    define.multi_string(
        "task",
        [],
        "compare: NAME flag=value ..., a data set with its backbone, split and budget; "
        "once for each task.",
    )
    define.multi_string(
        "row",
        [],
        "compare: NAME method=... flag=value flag=a|b|c ..., a method with its "
        "hyper-parameters, those with | searched; once for each row.",
    )
    define.list("seeds", ["0", "1", "2"], "compare: of the final table.")
    define.list("search_seeds", ["100"], "compare: of the search; none of --seeds.")
    define.string(
        "prepare_command",
        None,
        "compare: the command that prepares a task, named when its data miss.",
    )
    define.integer(
        "workers",
        None,
        "compare: processes at a time; none for one a GPU, or one a core.",
        lower_bound=1,
    )
