"""Linear probing, then fine-tuning (Kumar et al., 2022, arXiv 2202.10054)."""

import keras

from adafilter_tf.models import classifier, freezing
from adafilter_tf.optim import stages as stages_lib


def build(backbone: keras.Model, num_classes: int) -> keras.Model:
    """Returns a classifier on the backbone; `stages` defines what trains when.

    Args:
        backbone: Functional model; becomes part of the result.
        num_classes: K.

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Example:
        >>> model = build(backbone, 3)
        >>> [stage.name for stage in stages(probe_fraction=0.25)]
        ['probe', 'tune']
    """
    return classifier.add_head(backbone, num_classes)


def stages(*, probe_fraction: float = 0.5) -> tuple[stages_lib.Stage, ...]:
    """Returns the two stages: the head on frozen features, then everything.

    A random head would distort the pre-trained features in the first steps of
    fine-tuning; one that fits them does not.

    Args:
        probe_fraction: Fraction of the steps that train the head alone, above 0 and
            below 1.
    """
    freeze = freezing.QuietFreeze()

    def train_head(model: keras.Model) -> None:
        # Frozen batch norms keep their statistics, frozen dropout does nothing.
        freeze.begin(model, {x.name for x in model.layers if x.name != "head"})

    return (
        stages_lib.Stage("probe", probe_fraction, train_head),
        stages_lib.Stage("tune", 1 - probe_fraction, freeze.end),
    )
