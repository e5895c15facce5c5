"""What a model's images choose: gates per filter, or per block in SpotTune's."""

import keras

from adafilter_tf import layers


def list_gates(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the gates of each gated layer by its name, in the order of deciding.

    [B, N] for the N filters of a gated layer, [B, 1] for a routed block (see
    `layers.BlockRoute`); 1 = tuned, 0 = frozen. Empty for a model that has neither.

    Example:
        >>> gated = adafilter_tf.add_gates(backbone, gate_from="stage1")
        >>> list(list_gates(gated))
        ['stage1_block1_conv', 'stage1_block1_shortcut_conv']
    """
    gates = {
        # The order of model.layers is not the one in which the gates are decided.
        name: model.get_layer(f"{name}_gate").output
        for network in model.layers
        if isinstance(network, layers.GateNetwork)
        for name in network.layer_names
    }
    routes = [layer for layer in model.layers if isinstance(layer, layers.BlockRoute)]
    for route in sorted(routes, key=lambda route: route.block):
        choices = model.get_layer("block_choice").output
        name = route.name.removesuffix("_route")
        gates[name] = choices[:, route.block : route.block + 1]
    return gates


def force_gates(model: keras.Model) -> keras.Model:
    """Returns the same network with the gates as an input.

    Args:
        model: With gates, see `list_gates`; the weights are shared with it.

    Returns:
        Model from `{"images": [B, H, W, C], "gates": {layer: [B, N]}}`, the gates named
        as in `list_gates`, to the outputs of `model`.

    Example:
        >>> gated = adafilter_tf.add_gates(backbone)
        >>> forced = force_gates(gated)
        >>> images = np.ones((1, 8, 8, 3))
        >>> gates = list_gates(gated)
        >>> frozen = {name: np.zeros((1, gates[name].shape[1])) for name in gates}
        >>> features = forced({"images": images, "gates": frozen})
        >>> bool(np.allclose(features, backbone(images), atol=1e-5))
        True
    """
    gates = {
        name: keras.Input(gate.shape[1:], name=f"{name}_forced")
        for name, gate in list_gates(model).items()
    }
    if any(isinstance(layer, layers.BlockRoute) for layer in model.layers):
        cut = [model.get_layer("block_choice").output]
        forced = [keras.ops.concatenate(list(gates.values()), axis=1)]
    else:
        cut = list(list_gates(model).values())
        forced = list(gates.values())
    images = keras.Input(batch_shape=model.input.shape, name="images")
    outputs = keras.Model([model.input, *cut], model.output)([images, *forced])
    return keras.Model({"images": images, "gates": gates}, outputs)
