"""The flags that say what is fine-tuned and how: backbone, method, hyper-parameters."""

from adafilter_tf import methods
from adafilter_tf.layers import gated_batch_norm
from adafilter_tf.models import backbones


def define_method_flags(define) -> None:
    """Defines backbone, method and every method's hyper-parameters.

    Args:
        define: Has a function for each kind of flag, see `flags.define_flags`.
    """
    _define_choice_flags(define)
    _define_adafilter_flags(define)
    _define_peer_flags(define)


def _define_choice_flags(define):
    define.enum("method", "adafilter", list(methods.METHODS), "How to fine-tune.")
    define.enum(
        "baseline",
        None,
        list(methods.METHODS),
        "A second method trained on the same split and budget, to compare with.",
    )
    define.enum(
        "backbone", "resnet50", list(backbones.BACKBONES), "The pre-trained network."
    )
    define.string(
        "weights", "pretrained", "pretrained, random, or the path of an .h5 file."
    )


def _define_adafilter_flags(define):
    define.string(
        "gate_from",
        None,
        "adafilter: first layer to gate, by the start of its name, such as conv4; the "
        "layers before it stay frozen. None gates all.",
    )
    define.integer(
        "gate_units", 64, "adafilter: width of the recurrent cell.", lower_bound=1
    )
    define.float(
        "gate_initial_bias",
        0.0,
        "adafilter: 0 starts undecided, above 0 with tuned, below with frozen filters.",
    )
    define.enum(
        "frozen_statistics",
        "fixed",
        gated_batch_norm.FROZEN_STATISTICS,
        "adafilter: batch norm statistics of the frozen filters.",
    )


def _define_peer_flags(define):
    define.string(
        "tune_blocks", "all", "fine_tuning: all, none, or how many of the last blocks."
    )
