"""What a model's images choose: gates per filter, or per block in SpotTune's."""

import keras

from adafilter_tf import layers

_GATE_NETWORKS = (layers.RecurrentGateCell, layers.FeedforwardGate)


def list_gates(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the gates of each gated layer by its name, in the order of deciding.

    [B, N] for the N filters of a gated layer, [B, 1] for a routed block (see
    `layers.BlockRoute`); 1 = tuned, 0 = frozen. Empty for a model that has neither.
    """
    gates = {
        # The order of model.layers is not the one in which the gates are decided.
        name: model.get_layer(f"{name}_gate").output
        for network in model.layers
        if isinstance(network, _GATE_NETWORKS)
        for name in network.layer_names
    }
    routes = [layer for layer in model.layers if isinstance(layer, layers.BlockRoute)]
    for route in sorted(routes, key=lambda route: route.block):
        choices = model.get_layer("block_choice").output
        name = route.name.removesuffix("_route")
        gates[name] = choices[:, route.block : route.block + 1]
    return gates
