"""Export: the SavedModel, its signatures and the files of other runtimes."""

from adafilter_tf.export.saved_model import (
    export_saved_model,
)

__all__ = [
    "export_saved_model",
]
