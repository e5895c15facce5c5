"""Random changes of training images, each a pure function of the image and a key.

Nothing here has state: the same key gives the same change, so a resumed run sees what
the uninterrupted run would have seen.
"""

from dataclasses import dataclass

import tensorflow as tf

from adafilter_tf.data.augmentation import addons, randaugment


@dataclass(frozen=True)
class Augmentation:
    """Which random changes training images undergo; the defaults change nothing.

    Attributes:
        random_resized_crop_min_area: Smallest share of the image's area that a training
            crop covers (aspect ratio 3/4 to 4/3); 1.0 takes the evaluation crop.
        horizontal_flip: Mirror every second image.
        randaugment: Two RandAugment operations per image (Cubuk et al. 2019).
        addons: Operations of tensorflow-addons, see `addons.OPERATIONS`.
        mixup_alpha: MixUp with weights from Beta(alpha, alpha) (Zhang et al. 2017,
            arXiv:1710.09412); 0.0 is off.
    """

    random_resized_crop_min_area: float = 1.0
    horizontal_flip: bool = False
    randaugment: bool = False
    addons: tuple[str, ...] = ()
    mixup_alpha: float = 0.0

    def __post_init__(self):
        """Checks the ranges."""
        if not 0.0 < self.random_resized_crop_min_area <= 1.0:
            raise ValueError(
                "random_resized_crop_min_area is a share of the image's area in "
                f"(0, 1], received {self.random_resized_crop_min_area}; 1.0 turns it "
                "off."
            )
        if self.mixup_alpha < 0.0:
            raise ValueError(
                "mixup_alpha is the parameter of a Beta distribution, 0 or greater, "
                f"received {self.mixup_alpha}; 0 turns MixUp off."
            )


def random_box(
    height: tf.Tensor, width: tf.Tensor, min_area: float, key: tf.Tensor
) -> tf.Tensor:
    """A random box: area in [min_area, 1] of the image, aspect ratio in [3/4, 4/3].

    Args:
        height: Scalar int32.
        width: Scalar int32.
        min_area: Share of the image's area, (0, 1].
        key: int64 [2].

    Returns:
        int32 [4]: top, left, height, width.
    """
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.stack([height, width, 1]),
        tf.zeros([1, 0, 4]),
        key,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(min_area, 1.0),
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], 0)


def augment_image(
    image: tf.Tensor, augmentation: Augmentation, key: tf.Tensor
) -> tf.Tensor:
    """Flips and distorts one image as `augmentation` says.

    Args:
        image: float32 [S, S, C] in 0..255.
        augmentation: Which changes to make.
        key: int64 [2].

    Returns:
        float32 [S, S, C] in 0..255.
    """
    flip_key, randaugment_key = tf.unstack(tf.random.split(key, 2))
    if augmentation.horizontal_flip:
        image = tf.image.stateless_random_flip_left_right(image, flip_key)
    if augmentation.randaugment:
        image = randaugment.randaugment(image, randaugment_key)
    if augmentation.addons:
        addons_key = tf.random.fold_in(key, 2)
        image = addons.apply_operations(image, augmentation.addons, addons_key)
    return image


def mixup(
    images: tf.Tensor, labels: tf.Tensor, alpha: float, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blends each example with another one of the batch (arXiv:1710.09412, section 2).

    x = w x_i + (1 - w) x_j and y = w y_i + (1 - w) y_j, where j is a random permutation
    of i and w is drawn from Beta(alpha, alpha), once for each i.

    Args:
        images: float32 [B, S, S, C].
        labels: float32 [B, K], one-hot.
        alpha: Greater than 0.
        key: int64 [2].

    Returns:
        Images and labels of the same shapes; each label still sums to 1.
    """
    batch_size = tf.shape(images)[0]
    order_key, weight_key = tf.unstack(tf.random.split(key, 2))
    order = tf.random.experimental.stateless_shuffle(tf.range(batch_size), order_key)
    weight = _sample_beta(batch_size, alpha, weight_key)

    def blend(x: tf.Tensor) -> tf.Tensor:
        w = tf.reshape(weight, [-1] + [1] * (len(x.shape) - 1))
        return w * x + (1.0 - w) * tf.gather(x, order)

    return blend(images), blend(labels)


def _sample_beta(count: tf.Tensor, alpha: float, key: tf.Tensor) -> tf.Tensor:
    # Beta = g1 / (g1 + g2) with g ~ Gamma(alpha), by Gamma(alpha) = Gamma(alpha + 1)
    # u^(1/alpha): in logarithms, because for a small alpha both g underflow to 0.
    gamma_key, uniform_key = tf.unstack(tf.random.split(key, 2))
    gamma = tf.random.stateless_gamma([2, count], gamma_key, alpha + 1.0)
    uniform = 1.0 - tf.random.stateless_uniform([2, count], uniform_key)
    log_gamma = tf.math.log(gamma) + tf.math.log(uniform) / alpha
    return tf.sigmoid(log_gamma[0] - log_gamma[1])
