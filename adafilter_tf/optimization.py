"""The optimizer: backbone, head and gates each have their own."""

import dataclasses

import keras

OPTIMIZERS = ("sgd", "adamw")
# The paths of the weights that choose.
_GATES = "(recurrent_gate|feedforward_gate|policy_network)/.*"
# By their names; Keras gives the factors of ConvNeXt's layer scale none of their own.
_UNDECAYED = ["bias", "gamma", "beta", r"\bvariable(_\d+)?(:0)?$"]


@dataclasses.dataclass(frozen=True)
class OptimizerOptions:
    """How the weights are updated.

    Attributes:
        optimizer: Of backbone and head: "sgd" (Nesterov momentum 0.9) or "adamw".
        learning_rate: Peak of the backbone's learning rate.
        head_learning_rate: Peak of the head's.
        gate_learning_rate: Peak of the gates', whose optimizer is always Adam.
        weight_decay: Decoupled, of kernels only and not of the gates.
        warmup_fraction: Share of the steps in which the rates rise linearly from 0;
            over the others they fall to 0 along a cosine.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    head_learning_rate: float = 0.01
    gate_learning_rate: float = 0.001
    weight_decay: float = 0.0
    warmup_fraction: float = 0.1


def create_optimizer(
    options: OptimizerOptions, *, total_steps: int, start_step: int = 0
) -> keras.optimizers.MultiOptimizer:
    """Returns an optimizer with one member for backbone, head and gates.

    At the start both branches of a gated layer are equal, so the gradient of the loss
    with respect to a gate is zero, and it stays small while they are close. Under the
    backbone's SGD the gates would stay where they began; Adam does not depend on the
    scale of the gradient.

    Args:
        options: Rates and kinds.
        total_steps: Length of the schedule, in steps.
        start_step: Steps that earlier optimizers of the same training made; see
            `count_steps`.
    """
    gates = keras.optimizers.Adam(
        _schedule(options.gate_learning_rate, options, total_steps), name="gates"
    )
    head = _decayed(options, options.head_learning_rate, total_steps, "head")
    backbone = _decayed(options, options.learning_rate, total_steps, "backbone")
    optimizer = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            default_optimizer=backbone,
            optimizer_map={_GATES: gates, "head/.*": head},
        )
    )
    optimizer.start_step = start_step
    return optimizer


def count_steps(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns the number of updates that a training has had, on any strategy.

    Args:
        optimizer: That of the present stage of training.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
    return getattr(inner, "start_step", 0) + steps


def _decayed(options, learning_rate, total_steps, name) -> keras.optimizers.Optimizer:
    schedule = _schedule(learning_rate, options, total_steps)
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            schedule,
            momentum=0.9,
            nesterov=True,
            weight_decay=options.weight_decay,
            name=name,
        )
    else:
        optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=options.weight_decay, name=name
        )
    optimizer.exclude_from_weight_decay(var_names=_UNDECAYED)
    return optimizer


def _schedule(learning_rate, options, total_steps):
    warmup_steps = round(options.warmup_fraction * total_steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=max(1, total_steps - warmup_steps),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
