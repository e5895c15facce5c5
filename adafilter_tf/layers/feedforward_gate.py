"""The ablation of the recurrent gated network: each layer decides for itself."""

import keras
from keras import ops

from adafilter_tf.layers import gate_projections


@keras.saving.register_keras_serializable("adafilter_tf")
class FeedforwardGate(keras.layers.Layer):
    """Gives each filter of a layer its probability to be tuned, from its input alone.

    `RecurrentGateCell` without the state that earlier layers hand on:

        z_i = mean over H and W of x_i                      [B, C_i]
        p_i = sigmoid(Q_i(tanh(P_i(z_i))) / temperature)    [B, N_i]

    The tanh stands where the LSTM has its own. The layer computes in float32 under
    every dtype policy, as the recurrent one does.

    Call arguments:
        inputs: [B, H, W, C_step], or [B, C_step], the input of the gated layer `step`.
        step: Index of the gated layer.

    Returns:
        Probabilities [B, N_step].

    Args:
        layer_names, channels, filters, units, initial_bias, temperature: As in
            `RecurrentGateCell`.

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
        self.embeddings, self.filter_logits = gate_projections.create_projections(
            self,
            layer_names,
            channels,
            filters,
            units=units,
            initial_bias=initial_bias,
        )

    def build(self, inputs_shape):
        """Creates the weights of all steps; only the arguments decide their shapes."""
        gate_projections.build_projections(self)
        self.built = True

    def call(self, inputs, step=0):
        """Returns the probabilities of one gated layer."""
        embedded = ops.tanh(self.embeddings[step](gate_projections.pool(inputs)))
        return ops.sigmoid(self.filter_logits[step](embedded) / self.temperature)

    def compute_output_spec(self, inputs, step=0):
        """Returns the shape and dtype of the probabilities."""
        return keras.KerasTensor(
            (inputs.shape[0], self.filters[step]), dtype=self.compute_dtype
        )

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            **gate_projections.get_projections_config(self),
        }
