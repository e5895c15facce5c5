"""The recurrent gated network: one cell decides for all the layers in turn."""

import keras
from keras import ops

from adafilter_tf.layers.gate_network import GateNetwork


@keras.saving.register_keras_serializable("adafilter_tf")
class RecurrentGateCell(GateNetwork):
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

    Call arguments:
        inputs: [B, H, W, C_step], or [B, C_step], the input of the gated layer `step`.
        hidden, carry: [B, units], the state after the layer before; None for zeros.
        step: Index of the gated layer.

    Returns:
        Probabilities [B, N_step], hidden [B, units], carry [B, units].

    Args:
        **kwargs: As in `GateNetwork`, of which this is one; `units` is the width of the
            state.

    Raises:
        ValueError: When the lists of layers are empty or differ in length.

    Example:
        >>> layers, channels, filters = ["conv1", "conv2"], [3, 8], [8, 4]
        >>> cell = RecurrentGateCell(layers, channels, filters, units=5)
        >>> images, features = np.zeros((2, 6, 6, 3)), np.zeros((2, 6, 6, 8))
        >>> probabilities, hidden, carry = cell(images, step=0)
        >>> probabilities, hidden, carry = cell(features, hidden, carry, step=1)
        >>> tuple(probabilities.shape), tuple(hidden.shape)
        ((2, 4), (2, 5))
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cell = keras.layers.LSTMCell(self.units, name="lstm", **self._part_options)

    def build(self, inputs_shape, hidden_shape=None, carry_shape=None):
        """Creates the weights of all steps; only the arguments decide their shapes."""
        self.cell.build((None, self.units))
        super().build(inputs_shape)

    def call(self, inputs, hidden=None, carry=None, step=0):
        """Returns the probabilities of one gated layer and the next state."""
        embedded = self.embed(inputs, step)
        if hidden is None:
            hidden = carry = ops.zeros_like(embedded)
        output, (hidden, carry) = self.cell(embedded, [hidden, carry])
        return self.decide(output, step), hidden, carry

    def compute_output_spec(self, inputs, hidden=None, carry=None, step=0):
        """Returns the shapes and dtypes of `call`'s results."""
        widths = (self.filters[step], self.units, self.units)
        return tuple(
            keras.KerasTensor((inputs.shape[0], width), dtype=self.compute_dtype)
            for width in widths
        )
