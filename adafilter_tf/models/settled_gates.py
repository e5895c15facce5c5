"""Gates that stand for all images at inference, chosen after training.

Where the gates of single images bring nothing, the network with the mean gates of the
training images is a plain one: its two filter banks blend into one (see `folding`), and
it costs what fine-tuning's costs. A scale from these means towards the pre-trained or
the tuned network is to filters what WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903) is
to whole networks. All of this is ours.
"""

import math
from collections.abc import Callable, Mapping

import keras
import numpy as np

from adafilter_tf import layers

# From all frozen, -1, over the means, 0, to all tuned, 1.
_SCALES = (-0.5, 0.5)

Gates = Mapping[str, np.ndarray]


def list_candidates(gates: Gates) -> dict[str, dict[str, np.ndarray]]:
    """Returns by name the constant gates that may stand for all images, each [N].

    Args:
        gates: Of training images, layer name to [n, N].

    Example:
        >>> candidates = list_candidates({"conv": np.array([[1, 0], [1, 0], [0, 0]])})
        >>> candidates["majority"]["conv"].tolist()
        [1.0, 0.0]
        >>> np.round(candidates["mean+0.5"]["conv"], 2).tolist()
        [0.83, 0.5]
    """
    means = {
        name: np.asarray(gate).mean(axis=0, dtype=np.float32)
        for name, gate in gates.items()
    }
    candidates = {
        "mean": means,
        "majority": {
            name: (mean > 0.5).astype(np.float32) for name, mean in means.items()
        },
    }
    for scale in _SCALES:
        end = np.float32(scale > 0)
        candidates[f"mean{scale:+g}"] = {
            name: mean + abs(scale) * (end - mean) for name, mean in means.items()
        }
    return candidates


def list_settleable(model: keras.Model) -> dict[str, layers.FilterGate]:
    """Returns the gates that may be settled, by the name of their layer's call."""
    return {
        gate.name.removesuffix("_gate"): gate
        for gate in model._flatten_layers(include_self=False)
        if isinstance(gate, layers.FilterGate) and gate.inference != "own"
    }


def settle(model: keras.Model, gates: Gates | None) -> None:
    """Gives all images the same gates at inference; None gives them their own.

    Args:
        model: With gates that may be settled, see `GateOptions.inference_gates`.
        gates: Layer name to [N].
    """
    for name, gate in list_settleable(model).items():
        gate.settle(None if gates is None else gates[name])


def settle_best(
    model: keras.Model,
    list_training_gates: Callable[[], Gates],
    measure: Callable[[], Mapping[str, float]],
) -> str | None:
    """Chooses the gates of inference as the model's options say.

    With "auto" the candidates are the images' own gates and those of `list_candidates`,
    and the highest validation accuracy decides. Among equals a constant choice comes
    first, because it costs nothing at inference, and of these the lowest loss.

    Args:
        model: Trained.
        list_training_gates: Returns the gates of the training images, [n, N] by layer.
        measure: Returns "accuracy" and "loss" of the validation images.

    Returns:
        The name of the choice; None when the model's gates are always the images' own.
    """
    gates = list_settleable(model)
    if not gates:
        return None
    settle(model, None)
    rule = next(iter(gates.values())).inference
    candidates = list_candidates(list_training_gates())
    if rule != "auto":
        settle(model, candidates[rule])
        return rule
    scores = {"own": _score(measure(), is_constant=False)}
    for name, constants in candidates.items():
        settle(model, constants)
        scores[name] = _score(measure(), is_constant=True)
    best = max(scores, key=scores.__getitem__)
    settle(model, None if best == "own" else candidates[best])
    return best


def _score(metrics: Mapping[str, float], *, is_constant: bool) -> tuple:
    loss = metrics["loss"]
    return metrics["accuracy"], is_constant, -loss if math.isfinite(loss) else -math.inf
