"""The flags that say what is fine-tuned and how: backbone, method, hyper-parameters."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from adafilter_tf.cli.flags import choices
from adafilter_tf.cli.flags.definition import Definer
from adafilter_tf.models import gate_options

# The kind of flag of a field's type.
_KINDS: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    str | None: "string",
}


def define(kinds: Definer) -> None:
    """Defines backbone, method and every method's hyper-parameters."""
    _define_choice_flags(kinds)
    _define_adafilter_flags(kinds)
    _define_peer_flags(kinds)


def _define_choice_flags(kinds):
    kinds.enum("method", "adafilter", choices.METHODS, "How to fine-tune.")
    kinds.enum(
        "baseline",
        None,
        choices.METHODS,
        "A second method trained on the same split and budget, to compare with.",
    )
    kinds.path(
        "backbone",
        "resnet50",
        "The pre-trained network: the path of a .keras file, hub:PRESET of "
        "KerasHub, or one of "
        f"{', '.join(choices.BACKBONES)}.",
    )
    kinds.enum(
        "pixel_range",
        "auto",
        ("auto", *choices.PIXEL_RANGES),
        "For your own backbone: the pixels that it was trained on; imagenet and "
        "caffe are Keras' torch and caffe modes. auto: a .keras file normalizes "
        "0..255 itself, a preset says it.",
    )
    kinds.string(
        "features_layer",
        None,
        "For your own backbone: the layer whose output are the features. None cuts off "
        "a classifier's head at its last global pooling.",
    )
    kinds.path(
        "weights", "pretrained", "pretrained, random, or the path of an .h5 file."
    )


def _define_adafilter_flags(kinds):
    """Defines a flag for each field of `GateOptions`."""
    for field in dataclasses.fields(gate_options.GateOptions):
        limits = dict(field.metadata)
        text = f"adafilter: {limits.pop('help')}"
        if "choices" in limits:
            kinds.enum(field.name, field.default, limits["choices"], text)
        else:
            kind = getattr(kinds, _KINDS[field.type])
            kind(field.name, field.default, text, **limits)


def _define_peer_flags(kinds):
    kinds.string(
        "tune_blocks", "all", "fine_tuning: all, none, or how many of the last blocks."
    )
    for name, default, text in (
        ("starting_point_penalty", 0.01, "l2_sp: pull to the pre-trained weights."),
        ("head_penalty", 0.01, "l2_sp: pull of the head's weights to zero."),
        ("spectral_shrinkage", 0.001, "bss: weight of the penalty."),
    ):
        kinds.float(name, default, text, lower_bound=0.0)
    kinds.float(
        "policy_temperature",
        5.0,
        "spottune: of the Gumbel softmax in training.",
        lower_bound=1e-3,
    )
    kinds.integer(
        "shrunk_singular_values", 1, "bss: how many of the smallest.", lower_bound=1
    )
    kinds.integer(
        "lora_rank", 4, "lora: rank of the change.", lower_bound=1, upper_bound=4096
    )
    kinds.float(
        "probe_fraction",
        0.5,
        "lp_ft, wise_ft: share of the steps that train the head alone.",
        lower_bound=0.01,
        upper_bound=0.99,
    )
