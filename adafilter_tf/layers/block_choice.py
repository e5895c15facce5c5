"""SpotTune's choice between a block's two copies: 1 = tuned block, 0 = frozen block."""

import keras
from keras import ops

_SMALLEST = 1e-7  # Keeps both logarithms of the Gumbel noise finite in float32.


def choose_blocks(logits, noise, temperature):
    """Returns 0/1 choices whose gradient is that of a softmax (straight-through).

    Forward `I = 1[v_1 > v_0]` with `v = logits + noise`, backward the gradient of
    `softmax(v / temperature)_1`. With Gumbel noise, `I` is a sample of the distribution
    `softmax(logits)` (Guo et al. 2019, arXiv 1811.08737; Gumbel-softmax of Jang et al.
    2017, arXiv 1611.01144).

    Args:
        logits: [..., 2], of the frozen and of the tuned block.
        noise: Of the same shape.
        temperature: Above 0; the higher, the more even the gradient.

    Returns:
        [...], exactly 0 or 1.

    Example:
        >>> choices = choose_blocks(np.array([[0.0, 1.0]]), noise=0.0, temperature=5.0)
        >>> float(choices[0])
        1.0
    """
    noisy = logits + noise
    soft = ops.softmax(noisy / temperature)[..., 1]
    hard = ops.cast(noisy[..., 1] > noisy[..., 0], soft.dtype)
    return hard + (soft - ops.stop_gradient(soft))


@keras.saving.register_keras_serializable("adafilter_tf")
class BlockChoice(keras.layers.Layer):
    """Chooses the frozen or the tuned copy of each block, for each image.

    In training it samples (`choose_blocks`); at inference it takes the greater logit,
    without noise.

    Call arguments:
        logits: [B, L, 2], of the frozen and the tuned copy of each of L blocks.
        training: Whether to sample.

    Returns:
        [B, L] choices in {0, 1}, 1 = tuned block.

    Args:
        temperature: Of the softmax that gives the gradient.
        seed: Of the noise; None draws one from Keras' global seed.

    Raises:
        ValueError: When the temperature is not above 0.

    Example:
        >>> logits = np.array([[[0.0, 1.0], [1.0, 0.0]]])  # one image, two blocks
        >>> keras.ops.convert_to_numpy(BlockChoice()(logits)).tolist()
        [[1.0, 0.0]]
    """

    def __init__(self, temperature=5.0, seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if temperature <= 0:
            raise ValueError(
                f"Received temperature={temperature}; BlockChoice needs one above 0, "
                "such as 5."
            )
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, logits, training=None):
        """Returns the choices [B, L]."""
        if not training:
            return ops.cast(logits[..., 1] > logits[..., 0], self.compute_dtype)
        uniform = keras.random.uniform(
            ops.shape(logits), dtype=self.compute_dtype, seed=self.seed_generator
        )
        uniform = ops.clip(uniform, _SMALLEST, 1 - _SMALLEST)
        gumbel = -ops.log(-ops.log(uniform))
        return choose_blocks(logits, gumbel, self.temperature)

    def compute_output_spec(self, logits, training=None):
        """Returns the shape and dtype of the choices."""
        return keras.KerasTensor(logits.shape[:-1], dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "seed": self.seed,
        }
