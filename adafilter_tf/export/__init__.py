"""What serves: the SavedModel, its signatures, other runtimes' files."""

from adafilter_tf.export.saved_model import (
    export_saved_model,
)

__all__ = [
    "export_saved_model",
]
