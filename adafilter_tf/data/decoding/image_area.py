"""How large the image files of a data set are."""

import numpy as np
import tensorflow as tf

from adafilter_tf.data.decoding import preprocessing
from adafilter_tf.data.examples import Examples

_NUM_READ = 15


def usual_area(examples: Examples) -> int:
    """Returns the median area, in pixels, of some images all over the list.

    Args:
        examples: At least one; what cannot be read among them does not count.
    """
    number = min(_NUM_READ, len(examples))
    areas = []
    for index in np.linspace(0, len(examples) - 1, number).astype(int):
        try:
            encoded = tf.io.read_file(examples.paths[index])
            height, width, _ = preprocessing.decode_image(encoded, 3).shape
            areas.append(height * width)
        except tf.errors.OpError:
            continue  # --on_bad_image decides about it later.
    return int(np.median(areas)) if areas else 0
