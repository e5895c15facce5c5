"""Which gates are the same for every image: by proof, or on images that were tried."""

import math
from collections.abc import Iterable

import keras

from adafilter_tf import layers
from adafilter_tf.layers import filter_gate
from adafilter_tf.models import gate_io

_FORCED = {"all_tuned": 1.0, "all_frozen": 0.0, "random": 0.5}
# Of a logit; far above what float32 loses in a sum of some hundred products.
_MARGIN = 1e-3


def find_constants(model: keras.Model) -> dict:
    """Returns the gates that no image can change, at inference.

    Gates that a policy forces, and those that were settled for all images; and learned
    ones whose bias outweighs everything that the gate network's state can add. The
    state is `h = o * tanh(c)`, and each step adds at most 1 to the size of `c`, so
    `|h| < tanh(step + 1)` and a logit differs from its bias by at most
    `tanh(step + 1) * sum |Q|`.

    Args:
        model: With gates or block choices, see `choices.list_gates`; or without.

    Returns:
        As `choices.list_gates`, layer or block name to float32 [N]: the gate, NaN where
        it may depend on the image.
    """
    constants = {
        name: _unknown(gate.shape[-1])
        for name, gate in gate_io.list_gates(model).items()
    }
    for network in model.layers:
        if isinstance(network, layers.GateNetwork):
            for step, name in enumerate(network.layer_names):
                gate = model.get_layer(f"{name}_gate")
                constants[name] = _find_in_layer(network, step, gate)
    return constants


def calibrate(model: keras.Model, batches: Iterable) -> dict:
    """Returns the gates that were the same for all of some images.

    Args:
        model: As in `find_constants`.
        batches: Of pixels, float32 [n, H, W, C].

    Returns:
        As `find_constants`.

    Raises:
        ValueError: When there is no batch.
    """
    gates = gate_io.list_gates(model)
    if not gates:
        return {}
    network = keras.Model(model.inputs, gates)
    lowest: dict = {}
    highest: dict = {}
    for images in batches:
        for name, gate in network.predict_on_batch(images).items():
            low, high = gate.min(axis=0), gate.max(axis=0)
            lowest[name] = low.clip(max=lowest.get(name, low))
            highest[name] = high.clip(min=highest.get(name, high))
    if not lowest:
        raise ValueError("calibrate needs at least one batch of images, received none.")
    constants = {}
    for name in gates:
        constants[name] = lowest[name].copy()
        constants[name][lowest[name] != highest[name]] = math.nan
    return constants


def depends_on_image(constants):
    """Returns which entries of an array of constants are none, bool [N]."""
    return constants != constants  # NaN alone is not itself.


def _unknown(count: int):
    return keras.ops.convert_to_numpy(keras.ops.full((count,), math.nan)).copy()


def _find_in_layer(network, step: int, gate: layers.FilterGate):
    count = network.filters[step]
    settled = gate.read_settled()
    if settled is not None:
        return settled.astype("float32")
    if gate.policy in _FORCED or gate.noise == 1.0:
        constants = _unknown(count)
        constants[:] = _FORCED.get(gate.policy, 0.5)
        return constants
    if gate.policy not in filter_gate.LEARNED_POLICIES or gate.policy == "soft":
        return _unknown(count)
    kernel, bias = (
        keras.ops.convert_to_numpy(weight).astype("float64")
        for weight in (
            network.filter_logits[step].kernel,
            network.filter_logits[step].bias,
        )
    )
    # tanh(P z) of a feedforward network is below 1.
    recurrent = isinstance(network, layers.RecurrentGateCell)
    bound = math.tanh(step + 1) if recurrent else 1.0
    reach = bound * abs(kernel).sum(axis=0) + _MARGIN
    constants = _unknown(count)
    constants[bias > reach] = 1.0 - gate.noise / 2
    constants[bias < -reach] = gate.noise / 2
    return constants
