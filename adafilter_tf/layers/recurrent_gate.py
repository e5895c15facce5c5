"""The recurrent gated network: one cell decides for all the layers in turn."""

import keras
from keras import ops

from adafilter_tf.layers import gate_projections


@keras.saving.register_keras_serializable("adafilter_tf")
class RecurrentGateCell(keras.layers.Layer):
    """Gives each filter of a layer its probability to be tuned, for each image.

    With `x_i` [B, H, W, C_i] the input of gated layer i, which has N_i filters:

        z_i = mean over H and W of x_i                      [B, C_i]
        e_i = P_i(z_i)                                      [B, units]
        h_i, c_i = LSTM(e_i, h_{i-1}, c_{i-1})              [B, units] each
        p_i = sigmoid(Q_i(h_i) / temperature)               [B, N_i]

    The LSTM is shared by all layers, so the state carries what the earlier layers saw
    and chose; P_i and Q_i are dense projections of layer i, because C_i and N_i vary.
    The state starts at zero for each image. Source: Guo et al. 2020, arXiv 1911.09659
    (the width of the cell is not known from there: `units` is ours, and so is
    `temperature`).

    The layer computes in float32 under every dtype policy: the threshold of the gates
    and a state that is carried over a hundred layers do not survive half precision.

    Call arguments:
        inputs: [B, H, W, C_step], or [B, C_step], the input of the gated layer `step`.
        hidden, carry: [B, units], the state after the layer before; None for zeros.
        step: Index of the gated layer.

    Returns:
        Probabilities [B, N_step], hidden [B, units], carry [B, units].

    Args:
        layer_names: Name of each gated layer, in the order in which they are decided.
        channels: C_i of each gated layer, likewise.
        filters: N_i of each gated layer, likewise.
        units: Width of the state.
        initial_bias: Start of Q_i's bias: 0 leaves the choice open, a positive value
            starts with tuned filters, a negative one with frozen filters.
        temperature: Above 1 draws the probabilities towards 0.5, below 1 away from it.

    Raises:
        ValueError: When the three lists are empty or differ in length.
    """

    def __init__(
        self,
        layer_names,
        channels,
        filters,
        units=64,
        initial_bias=0.0,
        temperature=1.0,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.layer_names = tuple(layer_names)
        self.channels = tuple(channels)
        self.filters = tuple(filters)
        self.units = units
        self.initial_bias = initial_bias
        self.temperature = temperature
        self.cell = keras.layers.LSTMCell(
            units, dtype=self.dtype_policy, trainable=self.trainable, name="lstm"
        )
        self.embeddings, self.filter_logits = gate_projections.create_projections(
            self,
            layer_names,
            channels,
            filters,
            units=units,
            initial_bias=initial_bias,
        )

    def build(self, inputs_shape, hidden_shape=None, carry_shape=None):
        """Creates the weights of all steps; only the arguments decide their shapes."""
        self.cell.build((None, self.units))
        gate_projections.build_projections(self)
        self.built = True

    def call(self, inputs, hidden=None, carry=None, step=0):
        """Returns the probabilities of one gated layer and the next state."""
        embedded = self.embeddings[step](gate_projections.pool(inputs))
        if hidden is None:
            hidden = carry = ops.zeros_like(embedded)
        output, (hidden, carry) = self.cell(embedded, [hidden, carry])
        logits = self.filter_logits[step](output)
        return ops.sigmoid(logits / self.temperature), hidden, carry

    def compute_output_spec(self, inputs, hidden=None, carry=None, step=0):
        """Returns the shapes and dtypes of `call`'s results."""
        widths = (self.filters[step], self.units, self.units)
        return tuple(
            keras.KerasTensor((inputs.shape[0], width), dtype=self.compute_dtype)
            for width in widths
        )

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            **gate_projections.get_projections_config(self),
        }
