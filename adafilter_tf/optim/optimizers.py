"""The optimizer: backbone, head and gates each have their own."""

import copy
import dataclasses
import re
import warnings
from collections.abc import Callable, Mapping

import keras

from adafilter_tf import errors

OPTIMIZERS = ("sgd", "adamw")
# Paths of the weights of gates and head, also inside a model of the user's.
_GATES = "(.*/)?(recurrent_gate|feedforward_gate|policy_network)/.*"
_HEAD = "(.*/)?head/.*"
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
        ema_decay: Of the moving average of the weights, an update; 0 for none.
        accumulation_steps: Steps for one update.
        layer_decay: Factor of the backbone's rate from a block to the one before it.

    Example:
        >>> OptimizerOptions(optimizer="adamw", weight_decay=0.01).learning_rate
        0.01
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.01
    head_learning_rate: float = 0.01
    gate_learning_rate: float = 0.001
    weight_decay: float = 0.0
    warmup_fraction: float = 0.1
    ema_decay: float = 0.0
    accumulation_steps: int = 1
    layer_decay: float = 1.0


def scale_rates(options: OptimizerOptions, factor: float) -> OptimizerOptions:
    """Returns the options with all learning rates multiplied by a factor.

    Example:
        >>> scale_rates(OptimizerOptions(learning_rate=0.5), 2.0).learning_rate
        1.0
    """
    rates = ("learning_rate", "head_learning_rate", "gate_learning_rate")
    scaled = {name: factor * getattr(options, name) for name in rates}
    return dataclasses.replace(options, **scaled)


@keras.saving.register_keras_serializable("adafilter_tf")
class GroupOptimizer(keras.optimizers.MultiOptimizer):
    """An optimizer for each group of weights: the backbone or its blocks, head, gates.

    It is saved with a model, loaded, cloned and pickled as any optimizer of Keras.

    Args:
        members: Optimizer of each group: "gates", "head" and "backbone"; with `blocks`,
            instead of "backbone" one for each block, by the block's name. Their weight
            decay leaves biases and the terms of norms out.
        blocks: Block of each layer of the backbone, by the layer's name; None for one
            group.
        start_step: Steps that earlier optimizers of the same training made; see
            `count_steps`.
        average_at_end: Whether `fit` ends with the EMA weights, if the members keep
            them, as with `use_ema` of Keras' optimizers.
        loss_scale_factor, name: As in `keras.optimizers.MultiOptimizer`.

    Raises:
        UsageError: In `build`, when a layer with weights has no block.

    Example:
        >>> optimizer = create_optimizer(OptimizerOptions(), total_steps=100)
        >>> loaded = GroupOptimizer.from_config(optimizer.get_config())
        >>> [member.name for member in loaded.optimizers]
        ['gates', 'head', 'backbone']
    """

    def __init__(
        self,
        members: Mapping[str, keras.optimizers.Optimizer],
        blocks: Mapping[str, str] | None = None,
        start_step: int = 0,
        average_at_end: bool = True,
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ):
        for member in members.values():
            # Not in the configuration of Keras' optimizers: set anew whenever loaded.
            member.exclude_from_weight_decay(var_names=_UNDECAYED)
        super().__init__(_map_weights(members, blocks), loss_scale_factor, name)
        self.start_step = start_step
        self.average_at_end = average_at_end
        self._members = dict(members)
        self._blocks = None if blocks is None else dict(blocks)

    def build(self, var_list):
        """Creates the members' state; warns when no weight is the head's."""
        super().build(var_list)
        if not self._members["head"].built:
            warnings.warn(
                "No trainable weight is in a layer named 'head', so that all weights "
                "but the gates' train at the backbone's learning rate; add_head gives "
                "the last layer this name.",
                stacklevel=2,
            )

    def finalize_variable_values(self, var_list):
        """Gives the weights their averages, if `fit` is to end with them."""
        if self.average_at_end:
            super().finalize_variable_values(var_list)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            "members": {
                name: keras.saving.serialize_keras_object(member)
                for name, member in self._members.items()
            },
            "blocks": self._blocks,
            "start_step": self.start_step,
            "average_at_end": self.average_at_end,
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns the optimizer of a configuration, without its state."""
        members = {
            # Keras' optimizers change the configuration that they are made from.
            name: keras.saving.deserialize_keras_object(
                copy.deepcopy(member), custom_objects=custom_objects
            )
            for name, member in config["members"].items()
        }
        return cls(**{**config, "members": members})


def _map_weights(members, blocks) -> Callable:
    """Returns the function from a weight to the optimizer of its group."""
    if blocks is None:
        return keras.optimizers.OptimizerMap(
            default_optimizer=members["backbone"],
            optimizer_map={_GATES: members["gates"], _HEAD: members["head"]},
        )

    def choose(variable: keras.Variable) -> keras.optimizers.Optimizer:
        for group, pattern in (("gates", _GATES), ("head", _HEAD)):
            if re.fullmatch(pattern, variable.path):
                return members[group]
        for layer in variable.path.split("/"):
            if layer in blocks:
                return members[blocks[layer]]
        raise errors.UsageError(
            f"Received blocks in which no layer of the weight {variable.path} is "
            "named; pass the blocks of all layers of this model."
        )

    return choose


@keras.saving.register_keras_serializable("adafilter_tf")
class PerUpdate(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that counts updates where several steps make one.

    Args:
        schedule: Of updates.
        accumulation_steps: Steps for one update.

    Example:
        >>> steps = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.1])
        >>> rates = PerUpdate(steps, accumulation_steps=4)
        >>> [round(float(rates(step)), 2) for step in (0, 7, 8)]
        [0.5, 0.5, 0.1]
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        accumulation_steps: int,
    ):
        super().__init__()
        self.schedule = schedule
        self.accumulation_steps = accumulation_steps

    def __call__(self, step):
        """Returns the rate of a step."""
        return self.schedule(keras.ops.floor_divide(step, self.accumulation_steps))

    def get_config(self):
        """Returns the arguments of the constructor."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "accumulation_steps": self.accumulation_steps}

    @classmethod
    def from_config(cls, config):
        """Returns the schedule of a configuration."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["accumulation_steps"])


class ScaledSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a variable, which changes the peak of a step that is traced.

    Args:
        schedule: With a peak of 1.
        scale: The peak.

    Example:
        >>> rate = keras.Variable(0.5)
        >>> schedule = ScaledSchedule(
        ...     cosine_schedule(1.0, OptimizerOptions(), total_steps=100), rate
        ... )
        >>> _ = rate.assign(0.2)
        >>> round(float(schedule(10)), 2)
        0.2
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        scale: keras.Variable,
    ):
        super().__init__()
        self._schedule = schedule
        self._scale = scale

    def __call__(self, step):
        """Returns the rate of a step."""
        return self._schedule(step) * self._scale


def cosine_schedule(
    learning_rate: float, options: OptimizerOptions, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns a linear rise from 0 and a fall to 0 along a cosine.

    Args:
        learning_rate: Peak.
        options: Length of the rise; how many steps make an update.
        total_steps: Length of both, in steps.

    Example:
        >>> schedule = cosine_schedule(1.0, OptimizerOptions(), total_steps=100)
        >>> [round(float(schedule(step)), 2) for step in (0, 5, 10, 55, 100)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    total = total_steps // options.accumulation_steps
    warmup_steps = round(options.warmup_fraction * total)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else learning_rate,
        decay_steps=max(1, total - warmup_steps),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    if options.accumulation_steps == 1:
        return schedule
    return PerUpdate(schedule, options.accumulation_steps)


def create_optimizer(
    options: OptimizerOptions,
    *,
    total_steps: int,
    start_step: int = 0,
    blocks: Mapping[str, str] | None = None,
    make_schedule: Callable = cosine_schedule,
    average_at_end: bool = True,
) -> GroupOptimizer:
    """Returns an optimizer with members for backbone, head and gates.

    At the start both branches of a gated layer are equal, so the gradient of the loss
    with respect to a gate is zero, and it stays small while they are close. Under the
    backbone's SGD the gates would stay where they began; Adam does not depend on the
    scale of the gradient.

    Args:
        options: Rates and kinds.
        total_steps: Length of the schedule, in steps.
        start_step: Steps that earlier optimizers of the same training made; see
            `count_steps`.
        blocks: Block of each layer of the model, see `graph.assign_blocks`; for
            `layer_decay`, which gives each block a member of its own.
        make_schedule: Gives the learning rate, see `cosine_schedule`.
        average_at_end: Whether `fit` ends with the EMA weights of `ema_decay`, as with
            Keras' `use_ema`. False leaves them to `ema.apply_average`.

    Raises:
        UsageError: When `layer_decay` finds no two blocks, or gradients are accumulated
            over more steps than there are.

    Example:
        >>> options = OptimizerOptions(learning_rate=0.01, ema_decay=0.99)
        >>> optimizer = create_optimizer(options, total_steps=1000)
        >>> [member.name for member in optimizer.optimizers]
        ['gates', 'head', 'backbone']
    """
    if total_steps < options.accumulation_steps:
        raise errors.UsageError(
            f"Received --accumulation_steps={options.accumulation_steps} for "
            f"{total_steps} steps of training, which would update nothing; train "
            "for more epochs or accumulate fewer steps."
        )

    def schedule(learning_rate):
        return make_schedule(learning_rate, options, total_steps)

    members = {}
    for name, rate in list_rates(options, blocks).items():
        if name == "gates":
            arguments = {"name": name, **_common_arguments(options)}
            members[name] = keras.optimizers.Adam(schedule(rate), **arguments)
        else:
            is_block = name not in ("head", "backbone")
            label = f"backbone_{name}" if is_block else name
            members[name] = _decayed(options, schedule(rate), label)
    if options.layer_decay == 1.0:
        blocks = None
    return GroupOptimizer(
        members, blocks, start_step=start_step, average_at_end=average_at_end
    )


def list_rates(
    options: OptimizerOptions, blocks: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Returns the peak of each group's learning rate: "gates", "head", then the rest.

    Args:
        options: Rates.
        blocks: See `create_optimizer`.

    Raises:
        UsageError: When `layer_decay` finds no two blocks.

    Example:
        >>> list_rates(OptimizerOptions(learning_rate=0.1))
        {'gates': 0.001, 'head': 0.01, 'backbone': 0.1}
    """
    rates = {"gates": options.gate_learning_rate, "head": options.head_learning_rate}
    if options.layer_decay == 1.0:
        return {**rates, "backbone": options.learning_rate}
    return {**rates, **_list_block_rates(options, blocks)}


def count_steps(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns the number of updates that a training has had, on any strategy.

    Args:
        optimizer: That of the present stage of training.

    Example:
        >>> optimizer = create_optimizer(
        ...     OptimizerOptions(), total_steps=100, start_step=40
        ... )
        >>> count_steps(optimizer)
        40
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
    return getattr(inner, "start_step", 0) + steps


def _list_block_rates(options, blocks) -> dict[str, float]:
    """Returns the peak learning rate of each block."""
    names = list(dict.fromkeys((blocks or {}).values()))
    if len(names) < 2:
        raise errors.UsageError(
            f"Received layer_decay={options.layer_decay} for a backbone whose layers "
            "have no blocks in their names, so that all would have the same rate; set "
            "it to 1, choose a backbone with blocks, such as a ResNet, or pass `blocks`"
            " to create_optimizer."
        )
    return {
        name: options.learning_rate * options.layer_decay**depth
        for depth, name in enumerate(reversed(names))
    }


def _common_arguments(options: OptimizerOptions) -> dict:
    arguments = {}
    if options.accumulation_steps > 1:
        arguments["gradient_accumulation_steps"] = options.accumulation_steps
    if options.ema_decay:
        # Keras averages at every step, also at those that update nothing, so that after
        # an update the average follows within the next accumulation_steps steps.
        decay = options.ema_decay ** (1 / options.accumulation_steps)
        arguments |= {"use_ema": True, "ema_momentum": decay}
    return arguments


def _decayed(options, schedule, name) -> keras.optimizers.Optimizer:
    common = {
        "weight_decay": options.weight_decay,
        "name": name,
        **_common_arguments(options),
    }
    if options.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, **common)
    return keras.optimizers.AdamW(schedule, **common)
