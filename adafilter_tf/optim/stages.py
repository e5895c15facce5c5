"""The stages of a training: which layers train in which fraction of the steps."""

import dataclasses
from collections.abc import Callable

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
