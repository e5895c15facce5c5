"""Shared by the gate networks: the projections of each gated layer."""

import keras
from keras import ops


class GateNetwork(keras.layers.Layer):
    """A network that gates all gated layers, each with projections of its own.

    P_i maps the C_i pooled channels of gated layer i to `units`, Q_i these to one logit
    per filter. The layer computes in float32 under every dtype policy: the threshold of
    the gates and a state that is carried over a hundred layers do not survive half
    precision.

    Args:
        layer_names: Name of each gated layer, in order of execution.
        channels: C_i of each gated layer, likewise.
        filters: N_i of each gated layer, likewise.
        units: Width of the embeddings.
        initial_bias: Initial value of Q_i's bias: 0 starts undecided, a positive value
            with tuned filters, a negative one with frozen filters.
        temperature: Divides the logits: above 1 flattens the probabilities, below 1
            sharpens them.

    Raises:
        ValueError: When the three lists are empty or differ in length.

    Example:
        >>> network = GateNetwork(["conv"], channels=[3], filters=[8], units=4)
        >>> network.build((None, 6, 6, 3))
        >>> features = network.embed(np.zeros((2, 6, 6, 3), "float32"), step=0)
        >>> tuple(network.decide(features, step=0).shape)
        (2, 8)
    """

    def __init__(
        self,
        layer_names,
        channels,
        filters,
        units,
        initial_bias=0.0,
        temperature=1.0,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        lengths = [len(entries) for entries in (layer_names, channels, filters)]
        if not lengths[0] or len(set(lengths)) != 1:
            raise ValueError(
                f"{type(self).__name__} needs one entry per gated layer in "
                f"layer_names, channels and filters; received {lengths} entries."
            )
        self.layer_names = tuple(layer_names)
        self.channels = tuple(channels)
        self.filters = tuple(filters)
        self.units = units
        self.initial_bias = initial_bias
        self.temperature = temperature

    def build(self, inputs_shape):
        """Creates the weights of all steps; only the arguments decide their shapes."""
        options = self._part_options
        self.embeddings = [
            keras.layers.Dense(self.units, name=f"embedding_{i}", **options)
            for i in range(len(self.channels))
        ]
        self.filter_logits = [
            keras.layers.Dense(
                count,
                bias_initializer=keras.initializers.Constant(self.initial_bias),
                name=f"filter_logits_{i}",
                **options,
            )
            for i, count in enumerate(self.filters)
        ]
        for channels, embedding in zip(self.channels, self.embeddings, strict=True):
            embedding.build((None, channels))
        for filter_logits in self.filter_logits:
            filter_logits.build((None, self.units))
        self.built = True

    def embed(self, inputs, step):
        """Returns P_step of the mean of [B, ..., C] over all positions, [B, units]."""
        return self.embeddings[step](_pool(inputs))

    def decide(self, features, step):
        """Returns the probabilities [B, N_step] from features [B, units]."""
        return ops.sigmoid(self.filter_logits[step](features) / self.temperature)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "layer_names": self.layer_names,
            "channels": self.channels,
            "filters": self.filters,
            "units": self.units,
            "initial_bias": self.initial_bias,
            "temperature": self.temperature,
        }

    @property
    def _part_options(self) -> dict:
        # A layer that is built untrainable, as when it is loaded, does not pass this
        # on to its parts.
        return {"dtype": self.dtype_policy, "trainable": self.trainable}


def _pool(inputs):
    axes = tuple(range(1, len(inputs.shape) - 1))
    if not axes:
        return inputs
    # Not `ops.mean`, whose gradient divides after it is spread over the positions.
    positions = ops.prod(ops.cast(ops.shape(inputs)[1:-1], "float32"))
    return ops.sum(inputs, axis=axes) / positions
