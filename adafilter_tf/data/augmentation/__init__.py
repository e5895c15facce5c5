"""Random changes of training images, keyed by stateless seeds."""

from adafilter_tf.data.augmentation.augmentation import (
    Augmentation,
    augment_image,
    mixup,
    random_box,
)

__all__ = [
    "Augmentation",
    "augment_image",
    "mixup",
    "random_box",
]
