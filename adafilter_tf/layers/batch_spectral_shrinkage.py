"""A penalty on the smallest singular values of a batch of features."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("adafilter_tf")
class BatchSpectralShrinkage(keras.layers.Layer):
    """Passes features on and, in training, adds a penalty to the loss.

    With s_1 >= ... >= s_n the singular values of the batch's features F [B, d],
    n = min(B, d):

        penalty = strength * sum of s_i ** 2 over the `count` last i

    The singular values are computed in float32 under every dtype policy.

    Source: Chen et al. 2019, NeurIPS, "Catastrophic Forgetting Meets Negative
    Transfer: Batch Spectral Shrinkage for Safe Transfer Learning".

    Call arguments:
        features: [B, d].
        training: Whether the penalty is added.

    Returns:
        The features.

    Args:
        strength: Weight of the penalty, not negative.
        count: Number of singular values, at least 1; with n or more, all of them.

    Example:
        >>> layer = BatchSpectralShrinkage(strength=0.5)
        >>> _ = layer(np.diag([3.0, 2.0]), training=True)  # singular values 3 and 2
        >>> round(float(layer.losses[0]), 5)  # 0.5 * 2 ** 2
        2.0
    """

    def __init__(self, strength=0.001, count=1, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength
        self.count = count

    def call(self, features, training=None):
        """Returns the features."""
        if training:
            self.add_loss(self.strength * self._sum_smallest(features))
        return features

    def compute_output_spec(self, features, training=None):
        """Returns the shape and dtype of `call`'s result."""
        return keras.KerasTensor(features.shape, dtype=self.compute_dtype)

    def get_config(self):
        """Returns the arguments that rebuild the layer."""
        return {
            **super().get_config(),
            "strength": self.strength,
            "count": self.count,
        }

    def _sum_smallest(self, features):
        features = ops.cast(features, "float32")
        batch, width = ops.shape(features)  # the batch may be known at run time only
        gram = ops.matmul(features, ops.transpose(features))  # [B, B]
        # Through the eigenvectors as constants, u^T G u has the gradient of the
        # eigenvalue and, unlike theirs, one that always exists.
        gram = ops.stop_gradient(gram)
        # Of numbers that are none, eigh is an error; the loss will say what they are.
        finite = ops.all(ops.isfinite(gram))
        _, vectors = ops.linalg.eigh(ops.where(finite, gram, ops.zeros_like(gram)))
        vectors = ops.where(finite, vectors, float("nan"))
        projected = ops.matmul(ops.transpose(vectors), features)  # [B, d]
        squares = ops.sum(ops.square(projected), axis=1)  # s_i ** 2, rising
        # Of more examples than features, the first B - d are zero by their number.
        rank = ops.arange(batch) - ops.maximum(batch - width, 0)
        chosen = ops.logical_and(rank >= 0, rank < self.count)
        return ops.sum(ops.where(chosen, squares, 0.0))
