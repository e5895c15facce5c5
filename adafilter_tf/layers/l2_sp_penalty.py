"""L2-SP: a penalty on the distance of a network from its initial weights."""

import functools

import keras
from keras import ops


# The name in the files of saved models.
@keras.saving.register_keras_serializable("adafilter_tf", name="StartingPointPenalty")
class L2SPPenalty(keras.layers.Layer):
    """Calls a network and penalises its distance from its initial weights.

    With w the network's kernels and w0 their values when the layer was created:

        penalty = strength / 2 * sum of (w - w0) ** 2

    Source: Li, Grandvalet and Davoine 2018, arXiv 1802.01483. The values w0 are saved
    and loaded with the layer, but are not among its weights.

    The layer computes in float32 under every dtype policy, because half precision would
    round small distances to zero; the network keeps its own policy.

    Call arguments:
        images: Input of the network.
        training: Whether the penalty is added.

    Returns:
        The network's output.

    Args:
        network: Functional model.
        strength: Weight of the penalty, not negative.
        dtype: The penalty's.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> layer = L2SPPenalty(network, strength=0.5)
        >>> _ = network.layers[-1].kernel.assign_add([[2.0], [0.0]])
        >>> _ = layer(np.ones((1, 2)), training=True)
        >>> float(layer.losses[0])  # 0.5 / 2 * 2 ** 2
        1.0
    """

    def __init__(self, network, strength=0.01, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.network = network
        self.strength = strength
        # Keras does not track weights in an object of a class that it does not know.
        self._start = _Values(self._list_kernels())

    def call(self, images, training=None):
        """Returns the network's output."""
        if training:
            squares = [
                ops.sum(ops.square(kernel - start))
                for kernel, start in zip(
                    self._list_kernels(), self._start.variables, strict=True
                )
            ]
            self.add_loss(self.strength / 2 * sum(squares))
        return self.network(images, training=training)

    def compute_output_spec(self, images, training=None):
        """Returns the shape and dtype of the network's output."""
        return self.network.compute_output_spec(images)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "strength": self.strength,
        }

    @classmethod
    def from_config(cls, config):
        """Rebuilds the layer; its weights and starting point come from the file."""
        network = keras.saving.deserialize_keras_object(config.pop("network"))
        return cls(network=network, **config)

    def save_own_variables(self, store):
        """Saves the starting point; the network saves itself."""
        for index, start in enumerate(self._start.variables):
            store[str(index)] = ops.convert_to_numpy(start)

    def load_own_variables(self, store):
        """Loads the starting point."""
        for index, start in enumerate(self._start.variables):
            start.assign(store[str(index)])

    def _list_kernels(self):
        return [w for w in self.network.weights if w.name.endswith("kernel")]


class _Values:
    """Constant copies of variables.

    Attributes:
        variables: Not trainable.
    """

    def __init__(self, sources):
        self.variables = tuple(
            keras.Variable(
                # A function, so that a model can be inspected before it has memory.
                functools.partial(_copy, source),
                shape=source.shape,
                trainable=False,
                dtype="float32",
                name=f"start_{index}",
            )
            for index, source in enumerate(sources)
        )


def _copy(source, shape, dtype):
    del shape, dtype  # those of the source
    return ops.convert_to_numpy(source).copy()
