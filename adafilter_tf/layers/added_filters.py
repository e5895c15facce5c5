"""The end of a folded layer: the few filters whose gate depends on the image."""

import keras
from keras import ops

from adafilter_tf.layers import branches


@keras.saving.register_keras_serializable("adafilter_tf")
class AddedFilters(keras.layers.Layer):
    """Adds to some channels what an image's gates choose.

    With d of the N filters of a layer depending on the image, `base` the outputs of all
    filters for gates of 0 and `difference` those of the d tuned filters minus the
    frozen ones:

        y_n = base_n + g_i * difference_i    for the filter n that is the i-th of the d
        y_n = base_n                         for all others

    The d channels find their places by a product with a matrix of 0 and 1: a gather
    along the last axis took longer than a convolution of 1x1. With d = N there is no
    product.

    Call arguments:
        base: [B, ..., N].
        difference: [B, ..., d].
        gates: [B, d], 1 = tuned.

    Returns:
        [B, ..., N].

    Args:
        filters: The d filters, rising.

    Example:
        >>> base, difference = np.zeros((1, 3)), np.array([[5.0]])
        >>> outputs = AddedFilters(filters=[1])(base, difference, np.ones((1, 1)))
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[0.0, 5.0, 0.0]]
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = tuple(filters)

    def call(self, base, difference, gates):
        """Returns the sum."""
        return add_filters(base, difference, gates, self.filters)

    def compute_output_spec(self, base, difference, gates):
        """Returns the shape and dtype of the sum."""
        return keras.KerasTensor(base.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "filters": self.filters}


def add_filters(base, difference, gates, filters):
    """Returns the sum of `AddedFilters`."""
    gates = branches.expand_gates(
        ops.cast(gates, difference.dtype), len(difference.shape)
    )
    return base + place(difference * gates, filters, base.shape[-1])


def place(values, filters, count):
    """Returns [..., d] as [..., count]: at the places of d filters, 0 elsewhere."""
    if len(filters) == count:
        return values
    return ops.matmul(values, ops.one_hot(filters, count, dtype=values.dtype))
