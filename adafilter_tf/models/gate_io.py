"""The gates of a model: per filter, or per block in SpotTune's."""

import keras

from adafilter_tf import errors, layers
from adafilter_tf.models import graph


def list_gates(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the gates of each gated layer by its name, in the order of deciding.

    [B, N] for the N filters of a gated layer, [B, 1] for a routed block (see
    `layers.BlockRoute`); 1 = tuned, 0 = frozen. A layer that is called more than once
    has an entry for each call, the second one named `<layer>_call2`. Empty for a model
    that has neither.

    Example:
        >>> gated = adafilter_tf.add_gates(backbone, gate_from="stage1")
        >>> list(list_gates(gated))
        ['stage1_block1_conv', 'stage1_block1_shortcut_conv']

    Args:
        model: Functional; a gated network may be one of its layers.

    Raises:
        RunError: When a gated network is a layer of a model that is not functional, or
            when two of them have layers of the same name.
    """
    gates = _list_own_gates(model)
    for call in _list_models(model):
        inner = list_gates(call.layer)
        if not inner:
            continue
        # On a model of its own: the layers of the gated network get no second call.
        decide = keras.Model(call.layer.inputs, inner)
        found = decide(call.tensors[: len(call.layer.inputs)])
        if twice := gates.keys() & found.keys():
            raise errors.RunError(
                f"The model {model.name!r} has two gated networks with a layer "
                f"{min(twice)!r}; list the gates of each network by itself."
            )
        gates |= found
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
    images = keras.Input(batch_shape=model.inputs[0].shape, name="images")
    outputs = _force(model, images, list(gates.values()))
    return keras.Model({"images": images, "gates": gates}, outputs)


def _list_own_gates(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Returns the gates that layers of the model itself decide."""
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


def _list_models(model: keras.Model) -> list[graph.Call]:
    """Returns the calls of the models among a model's layers, in their order."""
    models = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if not models:
        return []
    if not hasattr(model, "operations") and not isinstance(model, keras.Sequential):
        gated = next((each.name for each in models if list_gates(each)), None)
        if gated is None:
            return []
        raise errors.RunError(
            f"The model {model.name!r} ({type(model).__name__}) is not functional; "
            f"list the gates of its layer {gated!r} by itself."
        )
    functional = keras.Model(model.inputs, model.outputs)
    calls = graph.list_calls(functional)
    return [call for call in calls if isinstance(call.layer, keras.Model)]


def _force(model, images, forced: list):
    """Returns the outputs of a model on images, with gates instead of its own."""
    own = list(_list_own_gates(model).values())
    cut, values = [], []
    if any(isinstance(layer, layers.BlockRoute) for layer in model.layers):
        cut = [model.get_layer("block_choice").output]
        values = [keras.ops.concatenate(forced[: len(own)], axis=1)]
    else:
        cut, values = own, forced[: len(own)]
    forced = forced[len(own) :]
    for call in _list_models(model):
        count = len(list_gates(call.layer))
        if not count:
            continue
        features = images
        if call.tensors[0] is not model.inputs[0]:
            features = keras.Model(model.inputs, call.tensors[0])(images)
        cut.append(call.outputs[0])
        values.append(_force(call.layer, features, forced[:count]))
        forced = forced[count:]
    return keras.Model([model.inputs[0], *cut], model.outputs[0])([images, *values])
