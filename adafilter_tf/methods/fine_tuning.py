"""Standard fine-tuning of all, the last or none of a backbone's blocks."""

import keras

from adafilter_tf import errors
from adafilter_tf.models import classifier, freezing, graph


def build(
    backbone: keras.Model, num_classes: int, *, tune_blocks: str = "all"
) -> keras.Model:
    """Returns a classifier on the backbone, whose frozen layers do not train.

    Frozen batch norms also keep their pre-trained statistics, and frozen dropout or
    drop-connect does nothing, see `freezing.freeze`.

    Args:
        backbone: Functional model; becomes part of the result, or its copy does.
        num_classes: K.
        tune_blocks: "all"; "none" for feature extraction, in which the head alone
            trains; or a number k, which tunes the last k blocks (see
            `graph.group_blocks`).

    Returns:
        Uncompiled model, [B, H, W, C] to logits [B, K].

    Raises:
        UsageError: When `tune_blocks` is none of these.

    Example:
        >>> model = build(backbone, 3, tune_blocks="none")  # the head alone trains
        >>> [weight.path for weight in model.trainable_weights]
        ['head/kernel', 'head/bias']
    """
    if tune_blocks != "all":
        blocks = graph.group_blocks(backbone)
        frozen = list(blocks)[: len(blocks) - _count_tuned(tune_blocks, blocks)]
        # Among the calls are operations, which are not layers.
        names = {name for block in frozen for name in blocks[block]}
        backbone = freezing.freeze(backbone, names)
    return classifier.add_head(backbone, num_classes)


def _count_tuned(tune_blocks: str, blocks: dict[str, list[str]]) -> int:
    if tune_blocks == "none":
        return 0
    if len(blocks) == 1:
        raise errors.UsageError(
            f"Received --tune_blocks={tune_blocks} for a backbone in which no blocks "
            "were found, neither by its layers' names nor by where its branches meet. "
            "Allowed are all and none."
        )
    if tune_blocks.isdecimal() and 1 <= int(tune_blocks) <= len(blocks):
        return int(tune_blocks)
    raise errors.UsageError(
        f"Received --tune_blocks={tune_blocks}; allowed are all, none, or the number "
        f"of last blocks to tune, 1 to {len(blocks)}: {', '.join(blocks)}."
    )
