"""The bundled pictures of the quickstart: 300 emoji of nine kinds, 64x64 pixels.

They are Twemoji (Twitter, Inc and other contributors, CC BY 4.0); the README.md beside
them names their source and the rule that chose them.
"""

import pathlib

from adafilter_tf.data.examples import Examples
from adafilter_tf.data.sources import image_folder

_CLASSES = pathlib.Path(__file__).parents[1] / "emoji" / "classes"


def load_emoji() -> dict[str, Examples]:
    """All pictures, under the key "all"; classes are Unicode's subgroups.

    Example:
        >>> load_emoji()["all"].class_names[:3]
        ('animal_mammal', 'clothing', 'food_prepared')
    """
    return image_folder.load_folder(str(_CLASSES))
