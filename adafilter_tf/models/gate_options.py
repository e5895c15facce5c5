"""How a network is gated: every option, its default, its bounds and its help text.

Without Keras, so that the command line knows its flags before it is imported; a test
compares the choices with those of the layers.
"""

import dataclasses

from adafilter_tf import errors


def _option(default, text: str, **limits):
    """Returns a field; `limits` are `choices`, `lower_bound` and `upper_bound`."""
    return dataclasses.field(default=default, metadata={"help": text, **limits})


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """How `add_gates` turns a network into its gated network.

    The defaults are the paper's where the paper says so. The command line's flags of
    the same names are generated from these fields.

    Attributes:
        gate_from: Name, or start of the name, of the first layer to gate, such as
            "conv4"; the layers before it stay frozen and ungated. None gates all.
        gate_units: Width of the gate network.
        gate_initial_bias: Initial bias of the gates' logits: 0 starts undecided, a
            positive value with tuned filters, a negative one with frozen filters.
        gate_temperature: Divides the logits of the gates.
        gate_policy: "learned" thresholds the probabilities; the ablations are "soft",
            "random", "all_tuned" and "all_frozen", see `layers.FilterGate`.
        gate_network: "recurrent" for a `layers.RecurrentGateCell`, or the ablation
            "feedforward" for a `layers.FeedforwardGate`.
        gated_batch_norm: False, an ablation, keeps one plain batch norm in the place
            of each gated one. It trains, and it reads the blended outputs of both
            filter banks. Layer norms and layer scales stay gated.
        frozen_statistics: "fixed" or "adapting" batch statistics of the frozen
            filters, see `layers.GatedBatchNormalization`.
        gate_noise: Fraction of the gates that are sampled in training, 0 to 1, see
            `layers.FilterGate`.
        tuned_penalty: Added to the loss, times the fraction of tuned filters: the mean
            of the gates over images and over all filters of the network.
        dependence_penalty: Added to the loss, times how much the gates of a batch
            differ between its images, see `layers.FilterGate`.
        inference_gates: Which gates an image has after training: its "own", as the
            paper does; those of the training images for all, as "mean" or "majority";
            or "auto", the best on validation images, see `settled_gates.settle_best`.

    Raises:
        UsageError: When a value is not allowed, or has no effect beside another.

    Example:
        >>> options = GateOptions(gate_policy="soft", gate_units=16)
        >>> options.gate_network
        'recurrent'
        >>> GateOptions(gate_noise=2.0)
        Traceback (most recent call last):
        ...
        adafilter_tf.errors.UsageError: Received gate_noise=2.0; allowed is 0 to 1.
    """

    gate_from: str | None = _option(
        None,
        "first layer to gate, by the start of its name, such as conv4; the layers "
        "before it stay frozen. None gates all.",
    )
    gate_units: int = _option(
        64, "width of the gate network.", lower_bound=1, upper_bound=4096
    )
    gate_initial_bias: float = _option(
        0.0,
        "0 starts undecided, above 0 with tuned, below with frozen filters.",
    )
    gate_temperature: float = _option(
        1.0, "divides the logits of the gates.", lower_bound=1e-3
    )
    gate_policy: str = _option(
        "learned",
        "learned is the paper's; soft does not round the probabilities; random samples "
        "the gates; all_tuned and all_frozen force every gate.",
        choices=("learned", "soft", "random", "all_tuned", "all_frozen"),
    )
    gate_network: str = _option(
        "recurrent",
        "recurrent carries a state from layer to layer as the paper does; feedforward "
        "decides for each layer alone.",
        choices=("recurrent", "feedforward"),
    )
    gated_batch_norm: bool = _option(
        True, "a batch norm for each branch, or one for the blended channels."
    )
    frozen_statistics: str = _option(
        "fixed",
        "batch norm statistics of the frozen filters.",
        choices=("fixed", "adapting"),
    )
    gate_noise: float = _option(
        0.0,
        "fraction of the gates that are sampled in training instead of learned; 0 is "
        "the paper's.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    tuned_penalty: float = _option(
        0.0,
        "added to the loss, times the fraction of tuned filters.",
        lower_bound=0.0,
    )
    dependence_penalty: float = _option(
        0.0,
        "added to the loss, times how much the gates of a batch differ between its "
        "images; fewer such filters make the exported network cheaper.",
        lower_bound=0.0,
    )

    inference_gates: str = _option(
        "own",
        "after training: own are each image's, as the paper's; mean and majority are "
        "those of the training images, for all images, so that the export is a plain "
        "network; auto takes what is best on the validation images.",
        choices=("own", "mean", "majority", "auto"),
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check_limits(field.name, getattr(self, field.name), field.metadata)
        if self.frozen_statistics != "fixed" and not self.gated_batch_norm:
            raise errors.UsageError(
                f"Received frozen_statistics={self.frozen_statistics} with "
                "gated_batch_norm=False; one plain batch norm has no statistics of the "
                "frozen filters. Remove one of the two."
            )


def _check_limits(name, value, limits) -> None:
    choices = limits.get("choices", (value,))
    if value not in choices:
        raise errors.UsageError(
            f"Received {name}={value!r}; allowed are {', '.join(choices)}."
        )
    if "lower_bound" not in limits:
        return
    lower, upper = limits["lower_bound"], limits.get("upper_bound", float("inf"))
    # Written so that NaN is refused, too.
    if not lower <= value <= upper:
        allowed = (
            f"{lower:g} to {upper:g}"
            if "upper_bound" in limits
            else (f"{lower:g} or more")
        )
        raise errors.UsageError(f"Received {name}={value}; allowed is {allowed}.")
