"""The names under which data sets keep their splits."""

import re

# From a name in lower case to the split.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
# They name a split, but do not say which: train1 may be a part or a variant.
_UNCLEAR = re.compile(
    r"(?:train|training|val|valid|validation|dev|test|testing|eval|evaluation|holdout)"
    r"[ ._-]*\d*"
)


def is_unclear(name: str) -> bool:
    """Whether a name looks like that of a split and is none of SPLIT_NAMES."""
    name = name.lower()
    return name not in SPLIT_NAMES and _UNCLEAR.fullmatch(name) is not None
