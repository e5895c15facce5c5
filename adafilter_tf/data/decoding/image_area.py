"""How large the image files of a data set are."""

import numpy as np

from adafilter_tf.data.decoding import conversion, preprocessing
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
        image, reason = conversion.read_image(
            examples.paths[index],
            lambda encoded: preprocessing.decode_image(encoded, 3),
            channels=3,
        )
        if reason is None:  # --on_bad_image decides about the others later.
            areas.append(image.shape[0] * image.shape[1])
    return int(np.median(areas)) if areas else 0
