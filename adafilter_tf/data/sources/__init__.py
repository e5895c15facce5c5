"""Where examples come from: one module per kind of data set, one row of `SOURCES`."""

from adafilter_tf.data.sources.registry import (
    SOURCES,
    check_classes,
    load_source,
    parse_dataset,
    read_source,
)

__all__ = [
    "SOURCES",
    "check_classes",
    "load_source",
    "parse_dataset",
    "read_source",
]
