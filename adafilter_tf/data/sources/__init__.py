"""Where examples come from: one module per kind of data set."""

from adafilter_tf.data.sources.registry import (
    check_classes,
    load_source,
    read_source,
)

__all__ = [
    "check_classes",
    "load_source",
    "read_source",
]
