"""Interpolation of fine-tuned weights (Wortsman et al., 2022, arXiv 2109.01903)."""

import keras

from adafilter_tf.methods import lp_ft
from adafilter_tf.optim import stages as stages_lib

# Trained as LP-FT: the end of its probe is a classifier on the pre-trained network, as
# the paper's zero-shot classifier is, from which to interpolate.
build = lp_ft.build
stages = lp_ft.stages

# The weights of the tuned network, as in the paper's figures.
ALPHAS = tuple(tenth / 10 for tenth in range(11))


def finish(model: keras.Model, ending: stages_lib.Ending) -> dict:
    """Sets the weights to (1 - alpha) * probed + alpha * tuned.

    Moving statistics are interpolated and then renewed: no interpolation of statistics
    fits an interpolated network (Jordan et al. 2022, arXiv 2211.08403). Those of the
    probe, alpha 0, stay: it is the pre-trained network. Integers stay as they are.

    Args:
        model: Its weights are the tuned ones.
        ending: With one list of weights, those at the end of the probe.

    Returns:
        `alpha`, one of `ALPHAS`: that of the highest validation accuracy, among equals
        that of the lowest loss.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.set_weights([np.ones((1, 1)), np.zeros(1)])
        >>> probed = [np.zeros((1, 1)), np.zeros(1)]
        >>> def measure():  # best half-way
        ...     distance = abs(float(model.get_weights()[0][0, 0]) - 0.5)
        ...     return {"accuracy": -distance, "loss": 0.0}
        >>> finish(model, stages_lib.Ending([probed], measure))
        {'alpha': 0.5}
    """
    (probed,) = ending.stage_ends
    tuned = model.get_weights()
    scores = {}
    for alpha in ALPHAS:
        _set(model, probed, tuned, alpha, ending.renew)
        metrics = ending.measure()
        scores[alpha] = (metrics["accuracy"], -metrics["loss"])
    best = max(ALPHAS, key=lambda alpha: scores[alpha])
    _set(model, probed, tuned, best, ending.renew)
    return {"alpha": best}


def _set(model, probed, tuned, alpha, renew) -> None:
    model.set_weights(_interpolate(probed, tuned, alpha))
    if alpha:
        renew()


def _interpolate(probed, tuned, alpha):
    return [
        # There is no value between two integers, such as a count of batches.
        end if end.dtype.kind in "iu" else (1 - alpha) * start + alpha * end
        for start, end in zip(probed, tuned, strict=True)
    ]
