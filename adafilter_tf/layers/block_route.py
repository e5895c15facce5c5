"""The end of a routed block, where the chosen copy goes on."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("adafilter_tf")
class BlockRoute(keras.layers.Layer):
    """Blends the outputs of a block's two copies by each image's choice.

        y = I * tuned + (1 - I) * frozen

    Source: Guo et al. 2019, arXiv 1811.08737.

    Call arguments:
        tuned, frozen: [B, ...], the outputs of the two copies.
        choices: [B, L] in {0, 1} for L blocks, 1 = tuned.

    Returns:
        [B, ...].

    Args:
        block: Index of the block whose column of `choices` it reads.

    Example:
        >>> tuned, frozen = np.full((2, 1), 7.0), np.zeros((2, 1))
        >>> choices = np.array([[1.0], [0.0]])
        >>> outputs = BlockRoute(block=0)(tuned, frozen, choices)
        >>> keras.ops.convert_to_numpy(outputs).tolist()
        [[7.0], [0.0]]
    """

    def __init__(self, block, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def call(self, tuned, frozen, choices):
        """Returns each image's chosen output."""
        choice = choices[:, self.block]
        choice = ops.reshape(choice, (-1, *(1,) * (len(tuned.shape) - 1)))
        return choice * tuned + (1 - choice) * frozen

    def compute_output_spec(self, tuned, frozen, choices):
        """Returns the shape and dtype of the blend."""
        return keras.KerasTensor(tuned.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {**super().get_config(), "block": self.block}
