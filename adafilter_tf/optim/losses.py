"""The loss of a classifier, and what a class weighs in it."""

from collections.abc import Sequence

import keras
import numpy as np

CLASS_WEIGHTS = ("none", "balanced")


@keras.saving.register_keras_serializable("adafilter_tf")
class WeightedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits in which each class has a weight.

    loss = -sum_k w_k y_k log p_k, so that a label mixed of two classes costs what each
    of them costs, in its fraction.

    Args:
        class_weights: K weights, 0 or greater.
        label_smoothing: Fraction of a label that is spread over all classes.
        **kwargs: `name`, `reduction` and `dtype`, as in `keras.losses.Loss`.

    Example:
        >>> loss = WeightedCrossentropy([1.0, 3.0])
        >>> round(float(loss(np.eye(2), np.zeros((2, 2)))), 4)  # 2 log 2
        1.3863
    """

    def __init__(
        self,
        class_weights: Sequence[float],
        label_smoothing: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.class_weights = [float(weight) for weight in class_weights]
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Returns the loss [B] of labels [B, K] and logits [B, K]."""
        num_classes = len(self.class_weights)
        y_true = keras.ops.cast(y_true, y_pred.dtype)
        y_true = (
            1 - self.label_smoothing
        ) * y_true + self.label_smoothing / num_classes
        weights = keras.ops.cast(self.class_weights, y_pred.dtype)
        log_p = keras.ops.log_softmax(y_pred, axis=-1)
        return -keras.ops.sum(weights * y_true * log_p, axis=-1)

    def get_config(self):
        """Returns the arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "class_weights": self.class_weights,
            "label_smoothing": self.label_smoothing,
        }


def create_loss(
    class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
) -> keras.losses.Loss:
    """Returns the cross-entropy of one-hot or mixed labels and logits.

    Args:
        class_weights: One for each class; None weighs all the same.
        label_smoothing: Fraction of a label that is spread over all classes (Szegedy et
            al. 2016, arXiv 1512.00567, section 7).

    Example:
        >>> loss = create_loss(label_smoothing=0.1)
        >>> round(float(loss(np.eye(2), np.zeros((2, 2)))), 4)  # log 2
        0.6931
    """
    if class_weights is None:
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing
        )
    return WeightedCrossentropy(class_weights, label_smoothing)


def balance_classes(counts: np.ndarray) -> list[float]:
    """Returns weights by which all classes weigh the same in a pass over the examples.

    w_k = n / (K n_k), as scikit-learn's "balanced"; their mean over the examples is 1.

    Args:
        counts: Number of training examples of each class, int [K]. A class without any
            has the weight 1 and does not count in K.

    Example:
        >>> balance_classes([30, 10])
        [0.6666666666666666, 2.0]
    """
    counts = np.asarray(counts, np.float64)
    present = counts > 0
    weights = np.ones(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.tolist()
