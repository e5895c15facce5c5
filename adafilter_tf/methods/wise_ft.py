"""Interpolation of fine-tuned weights (Wortsman et al., 2022, arXiv 2109.01903)."""

from collections.abc import Callable, Sequence

import keras

from adafilter_tf.methods import lp_ft

# Trained as LP-FT: the end of its probe is a classifier on the pre-trained network, as
# the paper's zero-shot classifier is, from which to interpolate.
build = lp_ft.build
stages = lp_ft.stages

SHARES = tuple(tenth / 10 for tenth in range(11))


def finish(
    model: keras.Model,
    stage_ends: Sequence[list],
    measure: Callable[[], dict],
    renew: Callable[[], object],
) -> dict:
    """Sets the weights to (1 - share) * probed + share * tuned.

    Moving statistics are interpolated and then renewed: no interpolation of statistics
    fits an interpolated network (Jordan et al. 2022, arXiv 2211.08403). Those of the
    probe, share 0, stay: it is the pre-trained network. Integers stay as they are.

    Args:
        model: Its weights are the tuned ones.
        stage_ends: One list of weights, those at the end of the probe.
        measure: Gives "accuracy" and "loss" of the validation images.
        renew: Re-estimates the batch norm statistics of the present weights.

    Returns:
        `tuned_share`, from 0 to 1 in tenths: the one of the highest validation
        accuracy, of several the one of the lowest loss.
    """
    (probed,) = stage_ends
    tuned = model.get_weights()
    scores = {}
    for share in SHARES:
        _set(model, probed, tuned, share, renew)
        metrics = measure()
        scores[share] = (metrics["accuracy"], -metrics["loss"])
    best = max(scores, key=scores.get)
    _set(model, probed, tuned, best, renew)
    return {"tuned_share": best}


def _set(model, probed, tuned, share, renew) -> None:
    model.set_weights(_interpolate(probed, tuned, share))
    if share:
        renew()


def _interpolate(probed, tuned, share):
    return [
        # There is nothing between two integers, such as a count of batches.
        end if end.dtype.kind in "iu" else (1 - share) * start + share * end
        for start, end in zip(probed, tuned, strict=True)
    ]
