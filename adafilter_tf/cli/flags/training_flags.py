"""How long, with which rates and on what a run trains."""

from adafilter_tf import distribution
from adafilter_tf.cli import recipes
from adafilter_tf.optim import optimizers


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.enum(
        "recipe",
        None,
        list(recipes.RECIPES),
        "A published recipe, as a function of the training images: it sets what is not "
        "given of the flags of length, rates, image size and augmentation.",
    )
    kinds.integer("epochs", 30, "Number of epochs.", lower_bound=1)
    kinds.integer(
        "steps_per_epoch",
        None,
        "Steps between two validations and checkpoints; none for one pass over the "
        "training examples.",
        lower_bound=1,
    )
    kinds.integer(
        "batch_size", 32, "Examples per step over all devices.", lower_bound=1
    )
    kinds.enum(
        "optimizer",
        "sgd",
        optimizers.OPTIMIZERS,
        "Of backbone and head; the gates always have Adam.",
    )
    for name, default, of in (
        ("learning_rate", 0.01, "the backbone"),
        ("head_learning_rate", 0.01, "the head"),
        ("gate_learning_rate", 0.001, "the gates"),
    ):
        kinds.float(
            name, default, f"Peak learning rate of {of}.", lower_bound=0.0)  # fmt: skip
    kinds.float(
        "weight_decay",
        0.0,
        "Decoupled; of the kernels of backbone and head.",
        lower_bound=0.0,
    )
    kinds.float(
        "warmup_fraction",
        0.1,
        "Share of the steps in which the rates rise.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    kinds.boolean(
        "renew_batch_norm_statistics",
        True,
        "Fit the momentum of batch norms to the length of the training and re-estimate "
        "their statistics for the final weights from training images. Without it they "
        "stay the network's own moving averages, which a short training hardly moves.",
    )
    kinds.enum(
        "precision",
        "auto",
        ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
        "auto: mixed_float16 on GPUs, float32 elsewhere.",
    )
    kinds.enum(
        "jit_compile",
        "auto",
        ("auto", "on", "off"),
        "XLA for the training step; auto: on one GPU.",
    )
    kinds.enum(
        "distribution",
        "auto",
        distribution.DISTRIBUTIONS,
        "one_device; mirrored: several GPUs of one machine; multi_worker: those of the "
        "machines that TF_CONFIG names; auto: the last of these that is possible.",
    )
    kinds.list(
        "devices",
        [],
        "Of this machine, such as GPU:0,GPU:1; empty for all visible GPUs.",
    )
    kinds.boolean(
        "synchronized_batch_norm",
        True,
        "Batch norms in training take their statistics over all devices, not over each "
        "one's share of the batch.",
    )
