"""How long, with which rates, loss and optimizer a run trains, and on which devices."""

from adafilter_tf.cli import recipes
from adafilter_tf.cli.flags import choices
from adafilter_tf.cli.flags.definition import Definer


def define(kinds: Definer) -> None:
    """Defines the flags of training."""
    _define_length(kinds)
    _define_start(kinds)
    _define_optimizer(kinds)
    _define_batch_norm(kinds)
    _define_loss(kinds)
    _define_devices(kinds)


def _define_length(kinds: Definer) -> None:
    kinds.enum(
        "recipe",
        None,
        list(recipes.RECIPES),
        "A published recipe, as a function of the training images: sets those flags of "
        "length, rates, image size and augmentation that are not given.",
    )
    kinds.integer("epochs", 30, "Number of epochs.", lower_bound=1, upper_bound=100_000)
    kinds.integer(
        "steps_per_epoch",
        None,
        "Steps between two validations and checkpoints; none for one pass over the "
        "training examples.",
        lower_bound=1,
        upper_bound=100_000_000,
    )
    kinds.duration(
        "time_limit",
        None,
        "Time from the start to the tested and saved model, such as 90s, 10m or 1.5h: "
        "as many of --epochs as fit.",
    )
    kinds.integer(
        "batch_size",
        32,
        "Examples per step over all devices.",
        lower_bound=1,
        upper_bound=65_536,
    )
    kinds.integer(
        "early_stopping_patience",
        0,
        "Ends training after this many epochs without a better --monitor and restores "
        "the weights of the best epoch; 0 is off.",
        lower_bound=0,
    )
    kinds.enum(
        "monitor",
        "validation_accuracy",
        choices.MONITORS,
        "The metric that early stopping and --mode=search compare.",
    )


def _define_start(kinds: Definer) -> None:
    kinds.enum(
        "head_init",
        "random",
        ("random", "probe"),
        "How the head starts; probe: as a logistic regression on the features of the "
        "pre-trained network, fitted to the training images.",
    )
    kinds.enum(
        "probe",
        "auto",
        ("auto", "always", "never"),
        "Measures that logistic regression on validation and test images, to compare "
        "the training with; auto: if that takes less than a tenth of the training.",
    )


def _define_optimizer(kinds: Definer) -> None:
    kinds.enum(
        "optimizer",
        "sgd",
        choices.OPTIMIZERS,
        "For backbone and head; the gates always use Adam.",
    )
    kinds.float(
        "learning_rate",
        0.01,
        "Peak learning rate of the backbone. auto: that of five with the best "
        "validation accuracy in short trainings, together as long as the training.",
        lower_bound=0.0,
        words=(choices.AUTO,),
    )
    for name, default, part in (
        ("head_learning_rate", 0.01, "the head"),
        ("gate_learning_rate", 0.001, "the gates"),
    ):
        text = f"Peak learning rate of {part}."
        kinds.float(name, default, text, lower_bound=0.0)
    kinds.float(
        "layer_decay",
        1.0,
        "Layer-wise learning-rate decay: the factor from each block of the backbone to "
        "the one before it; the last block has --learning_rate.",
        lower_bound=0.01,
        upper_bound=1.0,
    )
    kinds.float(
        "weight_decay",
        0.0,
        "Decoupled weight decay of the kernels of backbone and head.",
        lower_bound=0.0,
    )
    kinds.float(
        "warmup_fraction",
        0.1,
        "Fraction of the steps in which the learning rates rise.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    kinds.float(
        "ema_decay",
        0.0,
        "Per-step EMA decay of all trainable weights, gates included; the EMA weights "
        "are validated and become the result. 0 is off.",
        lower_bound=0.0,
        upper_bound=0.99999,
    )
    kinds.integer(
        "accumulation_steps",
        1,
        "Steps whose gradients are averaged for one update: a batch that many times as "
        "large, except for batch norms.",
        lower_bound=1,
    )


def _define_batch_norm(kinds: Definer) -> None:
    kinds.enum(
        "batch_norm",
        "adapt",
        choices.BATCH_NORMS,
        "Statistics of the backbone's batch norms that train: they adapt to the "
        "training images, or are fixed at the pre-trained ones, while gamma and beta "
        "train.",
    )
    kinds.boolean(
        "renew_batch_norm_statistics",
        True,
        "Fits the momentum of batch norms to the length of the training and "
        "re-estimates their statistics for the final weights from training images. "
        "Without it they stay the network's own moving averages, which a short "
        "training hardly moves.",
    )


def _define_loss(kinds: Definer) -> None:
    kinds.float(
        "label_smoothing",
        0.0,
        "Fraction of a training label that is spread over all classes.",
        lower_bound=0.0,
        upper_bound=0.99,
    )
    kinds.enum(
        "class_weights",
        "none",
        choices.CLASS_WEIGHTS,
        "balanced: weights each class in the loss by the inverse of its number of "
        "training examples.",
    )


def _define_devices(kinds: Definer) -> None:
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
        choices.DISTRIBUTIONS,
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
        "In training, batch norms take their statistics over all devices, not over "
        "each device's part of the batch.",
    )
