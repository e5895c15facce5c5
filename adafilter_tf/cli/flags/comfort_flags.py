"""What makes a training stop in time, fit into memory or weigh its examples."""

from adafilter_tf.optim import losses
from adafilter_tf.training.callbacks import early_stopping


def define(kinds) -> None:
    """Defines them; `kinds` has a function for each kind of flag."""
    kinds.integer(
        "early_stopping_patience",
        0,
        "Ends the training after so many epochs without a better --monitor; the result "
        "has the weights of the best epoch. 0 is off.",
        lower_bound=0,
    )
    kinds.enum(
        "monitor",
        "validation_accuracy",
        list(early_stopping.MONITORS),
        "What early stopping looks at.",
    )
    kinds.float(
        "ema_decay",
        0.0,
        "Decay a step of the moving average of all trained weights, gates included, "
        "which is validated and becomes the result; 0 is off.",
        lower_bound=0.0,
        upper_bound=0.99999,
    )
    kinds.integer(
        "accumulation_steps",
        1,
        "Steps whose gradients are averaged for one update: as a batch of so many "
        "times --batch_size, but for batch norms.",
        lower_bound=1,
    )
    kinds.float(
        "label_smoothing",
        0.0,
        "Share of a training label that is spread over all classes.",
        lower_bound=0.0,
        upper_bound=0.99,
    )
    kinds.enum(
        "class_weights",
        "none",
        losses.CLASS_WEIGHTS,
        "balanced: a class weighs in the loss by the inverse of its number of training "
        "examples.",
    )
    kinds.integer(
        "finder_steps",
        100,
        "find_learning_rate: steps, over which the rate rises to 10.",
        lower_bound=10,
    )
    kinds.float(
        "layer_decay",
        1.0,
        "Factor of the backbone's learning rate from each block to the one before it; "
        "the last block has --learning_rate.",
        lower_bound=0.01,
        upper_bound=1.0,
    )
