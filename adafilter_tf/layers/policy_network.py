"""SpotTune's policy network: from an image to two logits for each block."""

import keras
from keras import ops

_RESIDUAL_BLOCKS = 3


@keras.saving.register_keras_serializable("adafilter_tf")
class PolicyNetwork(keras.layers.Layer):
    """Looks at the image and scores the frozen and the tuned copy of each block.

    A small residual network from a random start: a stem of one 3x3 convolution, three
    residual blocks of two, each of which halves the resolution and doubles the filters
    (shortcut: average pooling, padded with zero channels), the mean over the image, and
    one dense layer. Source: Guo et al. 2019, arXiv 1811.08737. (Its authors' code,
    github.com/gyhui14/spottune, starts with 32 filters and blocks of 64, 128 and 256,
    which cost more than a small backbone; hence `filters`.)

    Call arguments:
        images: [B, H, W, C], normalized pixels.
        training: Whether the batch norms use the batch's statistics.

    Returns:
        Logits [B, num_blocks, 2]: of the frozen and of the tuned copy.

    Args:
        num_blocks: Number of blocks to decide for.
        filters: Of the stem.
        synchronized: Whether replicas share their batch statistics.

    Example:
        >>> network = PolicyNetwork(num_blocks=3, filters=2)
        >>> tuple(network(np.zeros((1, 16, 16, 3))).shape)
        (1, 3, 2)
    """

    def __init__(self, num_blocks, filters=16, synchronized=False, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.num_blocks = num_blocks
        self.filters = filters
        self.synchronized = synchronized
        # A layer that is loaded untrainable does not tell its parts.
        options = {"dtype": self.dtype_policy, "trainable": self.trainable}
        # The stem, then two of each block.
        widths = [(filters, 1)]
        for block in range(_RESIDUAL_BLOCKS):
            width = filters * 2 ** (block + 1)
            widths += [(width, 2), (width, 1)]
        self.convolutions = [
            keras.layers.Conv2D(
                width,
                3,
                strides=strides,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv_{i}",
                **options,
            )
            for i, (width, strides) in enumerate(widths)
        ]
        # As the backbone's: a short run leaves the initial statistics behind.
        self.batch_norms = [
            keras.layers.BatchNormalization(
                momentum=0.9, synchronized=synchronized, name=f"bn_{i}", **options
            )
            for i in range(len(widths))
        ]
        self.choice_logits = keras.layers.Dense(
            2 * num_blocks, name="choice_logits", **options
        )

    def build(self, images_shape):
        """Creates the weights."""
        shape = images_shape
        for convolution, batch_norm in zip(
            self.convolutions, self.batch_norms, strict=True
        ):
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            batch_norm.build(shape)
        self.choice_logits.build((None, shape[-1]))
        self.built = True

    def call(self, images, training=None):
        """Returns the logits [B, num_blocks, 2]."""
        x = ops.relu(self._normalized_convolution(0, images, training))
        for first in range(1, len(self.convolutions), 2):
            shortcut = ops.average_pool(x, 2, 2, padding="same")
            shortcut = ops.concatenate([shortcut, ops.zeros_like(shortcut)], axis=-1)
            x = ops.relu(self._normalized_convolution(first, x, training))
            x = self._normalized_convolution(first + 1, x, training)
            x = ops.relu(x + shortcut)
        logits = self.choice_logits(ops.mean(x, axis=(1, 2)))
        return ops.reshape(logits, (-1, self.num_blocks, 2))

    def compute_output_spec(self, images, training=None):
        """Returns the shape and dtype of the logits."""
        return keras.KerasTensor(
            (images.shape[0], self.num_blocks, 2), dtype=self.compute_dtype
        )

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "filters": self.filters,
            "synchronized": self.synchronized,
        }

    def _normalized_convolution(self, index, inputs, training):
        features = self.convolutions[index](inputs)
        return self.batch_norms[index](features, training=training)
