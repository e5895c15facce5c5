"""The flags that say what is fine-tuned and how: backbone, method, hyper-parameters."""

from adafilter_tf import methods
from adafilter_tf.layers import filter_gate, gated_batch_norm
from adafilter_tf.models import backbones, gating
from adafilter_tf.models.backbones import adaptation


def define(kinds) -> None:
    """Defines backbone, method and every method's hyper-parameters.

    Args:
        kinds: Has a function for each kind of flag, see `flags.define_flags`.
    """
    _define_choice_flags(kinds)
    _define_adafilter_flags(kinds)
    _define_peer_flags(kinds)


def _define_choice_flags(kinds):
    kinds.enum("method", "adafilter", list(methods.METHODS), "How to fine-tune.")
    kinds.enum(
        "baseline",
        None,
        list(methods.METHODS),
        "A second method trained on the same split and budget, to compare with.",
    )
    kinds.string(
        "backbone",
        "resnet50",
        "The pre-trained network: the path of a .keras file, hub:PRESET of "
        "KerasHub, or one of "
        f"{', '.join(backbones.BACKBONES)}.",
    )
    kinds.enum(
        "pixel_range",
        "auto",
        ("auto", *adaptation.PIXEL_RANGES),
        "Of a backbone of your own: the pixels that it was trained on; imagenet and "
        "caffe are Keras' torch and caffe modes. auto: a .keras file normalizes "
        "0..255 itself, a preset says it.",
    )
    kinds.string(
        "features_layer",
        None,
        "Of a backbone of your own: the layer whose output are the features. None "
        "cuts a classifier's head off at its last global pooling.",
    )
    kinds.string(
        "weights", "pretrained", "pretrained, random, or the path of an .h5 file."
    )


def _define_adafilter_flags(kinds):
    kinds.string(
        "gate_from",
        None,
        "adafilter: first layer to gate, by the start of its name, such as conv4; the "
        "layers before it stay frozen. None gates all.",
    )
    kinds.integer(
        "gate_units", 64, "adafilter: width of the recurrent cell.", lower_bound=1
    )
    kinds.float(
        "gate_initial_bias",
        0.0,
        "adafilter: 0 starts undecided, above 0 with tuned, below with frozen filters.",
    )
    kinds.enum(
        "frozen_statistics",
        "fixed",
        gated_batch_norm.FROZEN_STATISTICS,
        "adafilter: batch norm statistics of the frozen filters.",
    )
    kinds.enum(
        "gate_policy",
        "learned",
        filter_gate.GATE_POLICIES,
        "adafilter: learned is the paper's; soft does not round the probabilities; "
        "random draws them; all_tuned and all_frozen force every gate.",
    )
    kinds.enum(
        "gate_network",
        "recurrent",
        list(gating.GATE_NETWORKS),
        "adafilter: recurrent carries a state from layer to layer as the paper does; "
        "feedforward decides for each layer alone.",
    )
    kinds.boolean(
        "gated_batch_norm",
        True,
        "adafilter: a batch norm for each branch, or one for the chosen channels.",
    )
    kinds.float(
        "gate_temperature",
        1.0,
        "adafilter: divides the logits of the gates.",
        lower_bound=1e-3,
    )
    kinds.float(
        "gate_noise",
        0.0,
        "adafilter: share of the gates that are drawn in training instead of chosen; 0 "
        "is the paper's.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    kinds.float(
        "tuned_penalty",
        0.0,
        "adafilter: added to the loss, times the share of tuned filters.",
        lower_bound=0.0,
    )
    kinds.float(
        "dependence_penalty",
        0.0,
        "adafilter: added to the loss, times how much the choices of a batch differ "
        "between its images; fewer of them make the exported network cheaper.",
        lower_bound=0.0,
    )


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
    kinds.integer("lora_rank", 4, "lora: rank of the change.", lower_bound=1)
    kinds.float(
        "probe_fraction",
        0.5,
        "lp_ft, wise_ft: share of the steps that train the head alone.",
        lower_bound=0.01,
        upper_bound=0.99,
    )
