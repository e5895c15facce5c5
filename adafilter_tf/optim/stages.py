"""The stages of a training: which layers train in which fraction of the steps."""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from adafilter_tf import errors


@dataclasses.dataclass(frozen=True)
class Stage:
    """One part of a training, with an optimizer and a schedule of its own.

    Attributes:
        name: For the log.
        fraction: Fraction of the steps, above 0; those of all stages sum to 1.
        begin: Sets which layers train; called before the model is recompiled.
    """

    name: str
    fraction: float
    begin: Callable[[keras.Model], None]


def _do_nothing() -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Ending:
    """What a method may use to finish the weights of a trained model.

    Attributes:
        stage_ends: `model.get_weights()` at the end of each stage but the last.
        measure: Returns "accuracy" and "loss" of the validation images under the
            present weights.
        renew: Re-estimates the batch norm statistics of the present weights.
        list_training_gates: Returns the gates of the training images, layer name to
            [n, N]; empty for a model without gates.

    Example:
        >>> ending = Ending([], measure=lambda: {"accuracy": 0.9, "loss": 0.2})
        >>> ending.list_training_gates()
        {}
    """

    stage_ends: Sequence[list]
    measure: Callable[[], dict]
    renew: Callable[[], object] = _do_nothing
    list_training_gates: Callable[[], dict] = dict


def train_all() -> tuple[Stage, ...]:
    """Returns the single stage of a method whose `build` sets what trains."""
    return (Stage("tune", 1.0, begin=lambda model: None),)


def list_epochs(stages: tuple[Stage, ...], epochs: int) -> list[int]:
    """Returns the number of epochs of each stage, at least one each.

    Args:
        stages: In order.
        epochs: Of all stages together, at least as many as there are stages.

    Raises:
        UsageError: When there are fewer epochs than stages.

    Example:
        >>> def begin(model):
        ...     model.trainable = True
        >>> list_epochs((Stage("probe", 0.25, begin), Stage("tune", 0.75, begin)), 20)
        [5, 15]
    """
    if epochs < len(stages):
        raise errors.UsageError(
            f"Received --epochs={epochs} for the {len(stages)} stages "
            f"{', '.join(stage.name for stage in stages)}; each needs one at least."
        )
    counts: list[int] = []
    for index, stage in enumerate(stages):
        later = len(stages) - 1 - index
        left = epochs - sum(counts)
        wanted = round(stage.fraction * epochs) if later else left
        counts.append(min(max(1, wanted), left - later))
    return counts
