"""Backbones: by name, from a file or from a hub."""

from adafilter_tf.models.backbones.registry import (
    BACKBONES,
    BackboneSpec,
    build_backbone,
    get_spec,
)

__all__ = [
    "BACKBONES",
    "BackboneSpec",
    "build_backbone",
    "get_spec",
]
