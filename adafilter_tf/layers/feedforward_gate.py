"""The ablation of the recurrent gated network: each layer decides for itself."""

import keras
from keras import ops

from adafilter_tf.layers.gate_network import GateNetwork


@keras.saving.register_keras_serializable("adafilter_tf")
class FeedforwardGate(GateNetwork):
    """Gives each filter of a layer its probability to be tuned, from its input alone.

    `RecurrentGateCell` without the state that earlier layers hand on:

        z_i = mean over H and W of x_i                      [B, C_i]
        p_i = sigmoid(Q_i(tanh(P_i(z_i))) / temperature)    [B, N_i]

    The tanh stands where the LSTM has its own.

    Call arguments:
        inputs: [B, H, W, C_step], or [B, C_step], the input of the gated layer `step`.
        step: Index of the gated layer.

    Returns:
        Probabilities [B, N_step].

    Args:
        **kwargs: As in `GateNetwork`, of which this is one.

    Raises:
        ValueError: When the lists of layers are empty or differ in length.

    Example:
        >>> gate = FeedforwardGate(["conv"], channels=[3], filters=[8], units=4)
        >>> tuple(gate(np.zeros((2, 6, 6, 3)), step=0).shape)
        (2, 8)
    """

    def call(self, inputs, step=0):
        """Returns the probabilities of one gated layer."""
        return self.decide(ops.tanh(self.embed(inputs, step)), step)

    def compute_output_spec(self, inputs, step=0):
        """Returns the shape and dtype of the probabilities."""
        return keras.KerasTensor(
            (inputs.shape[0], self.filters[step]), dtype=self.compute_dtype
        )
