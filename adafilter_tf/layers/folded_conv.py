"""A folded convolution, of whose filters some depend on the image."""

import keras
from keras import ops

from adafilter_tf.layers.added_filters import add_filters, place


@keras.saving.register_keras_serializable("adafilter_tf")
class FoldedConv2D(keras.layers.Conv2D):
    """Convolves with one filter bank, of which each image changes some filters.

    With K the filters for gates of 0, D the tuned filters minus the frozen ones and d
    of the N filters depending on the image:

        y_n = activation(K_n conv x + b_n + g_i * (D_n conv x + e_n))

    for the filter n that is the i-th of the d, and without its second half for all
    others. A batch is convolved with K and with the d filters of D. A single image is
    convolved once, with K + g * D: that reads more weights, and computes less.

    Call arguments:
        inputs: [B, H, W, C].
        gates: [B, d], 1 = tuned.

    Returns:
        [B, H', W', N].

    Args:
        filters: N.
        kernel_size: As in `keras.layers.Conv2D`, and so are all other arguments.
        dependent: The d filters, rising.
        pick_single: Whether a single image is convolved once. Runtimes that want
            constant kernels need False.

    Example:
        >>> layer = FoldedConv2D(8, 3, dependent=[2, 5])
        >>> tuple(layer(np.zeros((2, 6, 6, 3)), np.ones((2, 2))).shape)
        (2, 4, 4, 8)
    """

    def __init__(self, filters, kernel_size, dependent, pick_single=True, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.dependent = tuple(dependent)
        self.pick_single = pick_single

    def build(self, inputs_shape, gates_shape=None):
        """Creates K, b, D and e."""
        super().build(inputs_shape)
        self.difference_kernel = self.add_weight(
            shape=self.kernel.shape, name="difference_kernel"
        )
        self.difference_bias = self.add_weight(
            shape=(self.filters,), name="difference_bias"
        )

    def call(self, inputs, gates):
        """Returns the outputs of the chosen filters."""
        gates = ops.cast(gates, inputs.dtype)
        batch_size = ops.shape(inputs)[0]
        if not self.pick_single:
            outputs = self._convolve_twice(inputs, gates)
        elif isinstance(batch_size, int):
            convolve = self._convolve_once if batch_size == 1 else self._convolve_twice
            outputs = convolve(inputs, gates)
        else:
            outputs = ops.cond(
                ops.equal(batch_size, 1),
                lambda: self._convolve_once(inputs, gates),
                lambda: self._convolve_twice(inputs, gates),
            )
        return self.activation(outputs)

    def compute_output_spec(self, inputs, gates):
        """Returns the shape and dtype of the outputs."""
        return keras.KerasTensor(
            self.compute_output_shape(inputs.shape), dtype=self.compute_dtype
        )

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "dependent": self.dependent,
            "pick_single": self.pick_single,
        }

    def save_own_variables(self, store):
        """Writes all weights; Keras' convolution writes two."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote."""
        keras.layers.Layer.load_own_variables(self, store)

    def _convolve_once(self, inputs, gates):
        """Returns the outputs of one image, by a kernel that is made for it."""
        chosen = place(gates, self.dependent, self.filters)[0]
        kernel = self.kernel + self.difference_kernel * chosen
        bias = self.bias + self.difference_bias * chosen
        return ops.add(self.convolution_op(inputs, kernel), bias)

    def _convolve_twice(self, inputs, gates):
        base = ops.add(self.convolution_op(inputs, self.kernel), self.bias)
        kernel, bias = self.difference_kernel, self.difference_bias
        if len(self.dependent) < self.filters:
            kernel, bias = (
                ops.take(weight, self.dependent, axis=-1) for weight in (kernel, bias)
            )
        difference = ops.add(self.convolution_op(inputs, kernel), bias)
        return add_filters(base, difference, gates, self.dependent)
