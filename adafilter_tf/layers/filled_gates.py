"""All gates of a layer, of which only some are computed."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("adafilter_tf")
class FilledGates(keras.layers.Layer):
    """Puts gates that depend on the image among those that do not.

    Call arguments:
        images: [B, ...], of which only B is read.
        gates: [B, d], one for each None of `constants`, in their order; None when
            there is no such gate.

    Returns:
        [B, N] gates.

    Args:
        constants: N values, None where the gate depends on the image.

    Raises:
        ValueError: When the number of gates is not that of the Nones.

    Example:
        >>> gates = FilledGates([1.0, None, 0.0])(np.zeros((1, 4)), np.ones((1, 1)))
        >>> keras.ops.convert_to_numpy(gates).tolist()
        [[1.0, 1.0, 0.0]]
    """

    def __init__(self, constants, **kwargs):
        # As the gates' own layer: half precision would round blends.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.constants = tuple(constants)

    def build(self, images_shape, gates_shape=None):
        """Checks the number of gates."""
        width = 0 if gates_shape is None else gates_shape[-1]
        if width != self.constants.count(None):
            raise ValueError(
                f"FilledGates {self.name!r} received {width} gates; its constants have "
                f"{self.constants.count(None)} None."
            )

    def call(self, images, gates=None):
        """Returns the gates [B, N]."""
        filled = ops.convert_to_tensor(
            [value or 0.0 for value in self.constants], self.compute_dtype
        )
        filled = ops.broadcast_to(filled, (ops.shape(images)[0], len(self.constants)))
        if gates is None:
            return filled
        return filled + ops.matmul(ops.cast(gates, self.compute_dtype), self._places())

    def compute_output_spec(self, images, gates=None):
        """Returns the shape and dtype of the gates."""
        shape = (images.shape[0], len(self.constants))
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "constants": self.constants}

    def _places(self):
        """Returns [d, N]: a 1 where gate i belongs."""
        places = [i for i, value in enumerate(self.constants) if value is None]
        return ops.one_hot(places, len(self.constants), dtype=self.compute_dtype)
