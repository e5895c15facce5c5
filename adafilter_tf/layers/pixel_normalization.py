"""Pixels as the decoder gives them, to what a backbone was pre-trained on."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("adafilter_tf")
class PixelNormalization(keras.layers.Layer):
    """Maps pixels 0..255 to `(pixels - mean) / standard_deviation` per channel.

    Inside the model it travels with the weights: training, evaluation and the exported
    graph cannot disagree about it.

    Call arguments:
        images: [B, H, W, C], RGB or grey, values 0..255.

    Returns:
        [B, H, W, C].

    Args:
        mean, standard_deviation: One value per channel, in units of 0..255, in the
            order of the output's channels.
        reverse_channels: Turns RGB into BGR first, for weights that came from Caffe.

    Example:
        >>> layer = PixelNormalization(mean=[127.5], standard_deviation=[127.5])
        >>> float(layer(np.full((1, 1, 1, 1), 255.0))[0, 0, 0, 0])
        1.0
    """

    def __init__(self, mean, standard_deviation, reverse_channels=False, **kwargs):
        super().__init__(**kwargs)
        self.mean = tuple(mean)
        self.standard_deviation = tuple(standard_deviation)
        self.reverse_channels = reverse_channels

    def call(self, images):
        """Returns the normalized images."""
        if self.reverse_channels:
            images = ops.flip(images, axis=-1)
        mean = ops.convert_to_tensor(self.mean, images.dtype)
        scale = ops.convert_to_tensor(
            [1 / deviation for deviation in self.standard_deviation], images.dtype
        )
        return (images - mean) * scale

    def compute_output_shape(self, images_shape):
        """Returns the shape of `images`, which does not change."""
        return images_shape

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "reverse_channels": self.reverse_channels,
        }
