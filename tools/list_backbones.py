"""Prints the gated layers of each backbone: the table of docs/backbones.md.

    python -m tools.list_backbones
    python -m tools.list_backbones --backbones=resnet50,convnexttiny

No weights are downloaded and no image is computed; all backbones take about a minute.
"""

import dataclasses

import keras
from absl import app, flags

from adafilter_tf.models import backbones, gate_plan, inlining
from adafilter_tf.models.folding import macs

_HEAD = """\
| Backbone | Pixels | Convolutions, dense | Norms, scales | with own gates | Gates | \
Parameters, million | gated | Multiply-adds, billion | gated | Weights without gates |
|---|---|---|---|---|---|---|---|---|---|---|"""


@dataclasses.dataclass(frozen=True)
class Row:
    """A backbone and its gated network.

    Attributes:
        filter_layers: Number of gated convolutions and dense layers.
        channel_layers: Number of gated norms and layer scales.
        own_gates: How many of these share no other layer's gates.
        gates: Number of gates, that is of filters that an image chooses.
        parameters, gated_parameters: Number of weights, statistics included.
        multiply_adds, gated_multiply_adds: Of one image's convolutions and dense
            layers, those of the gate network included.
        without_gates: Types of the other layers with weights.
    """

    filter_layers: int
    channel_layers: int
    own_gates: int
    gates: int
    parameters: int
    gated_parameters: int
    multiply_adds: int
    gated_multiply_adds: int
    without_gates: tuple[str, ...]


def describe(backbone: keras.Model, gate_units: int = 64) -> Row:
    """Returns the counts of a gated backbone without building it.

    Args:
        backbone: Functional model, one input [B, H, W, C] of known size.
        gate_units: Width of the gate network.
    """
    backbone = inlining.inline_models(backbone)
    plan = gate_plan.plan_gates(backbone, None)
    gated = plan.gated_layers
    doubled = sum(x.count_params() for x in backbone.layers if x.name in gated)
    cost = macs.count_macs(backbone)
    lstm = 4 * gate_units * 2 * gate_units
    channels, filters = sum(plan.channels.values()), sum(plan.filters.values())
    steps = len(plan.filters)
    gate_kernels = gate_units * (channels + filters)
    gate_biases = 4 * gate_units + steps * gate_units + filters
    return Row(
        filter_layers=len(plan.filter_calls),
        channel_layers=len(plan.channel_calls),
        own_gates=list(plan.channel_calls.values()).count(None),
        gates=filters,
        parameters=backbone.count_params(),
        gated_parameters=(
            backbone.count_params() + doubled + gate_kernels + lstm + gate_biases
        ),
        multiply_adds=cost,
        gated_multiply_adds=2 * cost + gate_kernels + steps * lstm,
        without_gates=tuple(
            sorted(
                {
                    type(layer).__name__
                    for layer in backbone.layers
                    if layer.weights and layer.name not in gated
                }
            )
        ),
    )


def format_row(name: str, image_size: int, row: Row) -> str:
    """Returns a row of the Markdown table."""
    cells = (
        f"`{name}`",
        image_size,
        row.filter_layers,
        row.channel_layers,
        row.own_gates,
        f"{row.gates:,}",
        f"{row.parameters / 1e6:.1f}",
        f"{row.gated_parameters / 1e6:.1f}",
        f"{row.multiply_adds / 1e9:.2f}",
        f"{row.gated_multiply_adds / 1e9:.2f}",
        ", ".join(row.without_gates) or "none",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main(_) -> None:
    """Prints the table."""
    print(_HEAD)
    for name in flags.FLAGS.backbones or backbones.BACKBONES:
        size = backbones.get_spec(name).image_size
        backbone = backbones.build_backbone(name, image_size=size, weights="random")
        print(format_row(name, size, describe(backbone)), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    flags.DEFINE_list("backbones", None, "Names; none for all.")
    app.run(main)
