import dataclasses

import pytest
from absl import flags

from adafilter_tf import errors
from adafilter_tf.cli import recipes
from adafilter_tf.cli.flags import define_flags
from adafilter_tf.layers import filter_gate, gated_batch_norm
from adafilter_tf.models import gate_options, gating


def test_choices_are_those_of_the_layers():
    fields = {
        field.name: field.metadata.get("choices")
        for field in dataclasses.fields(gate_options.GateOptions)
    }
    assert fields["gate_policy"] == filter_gate.GATE_POLICIES
    assert fields["gate_network"] == tuple(gating.GATE_NETWORKS)
    assert fields["frozen_statistics"] == gated_batch_norm.FROZEN_STATISTICS


def test_flags_are_the_fields_with_their_defaults_and_bounds():
    values = flags.FlagValues()
    define_flags(values)
    values(["run"])
    options = gate_options.GateOptions()
    for field in dataclasses.fields(options):
        assert values[field.name].value == getattr(options, field.name)
        assert "adafilter: " in values[field.name].help
    with pytest.raises(flags.IllegalFlagValueError, match="gate_noise"):
        values(["run", "--gate_noise=1.5"])
    with pytest.raises(flags.IllegalFlagValueError, match="gate_policy"):
        values(["run", "--gate_policy=hard"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate_network": "deep"}, "gate_network='deep'; allowed are recurrent, feed"),
        ({"gate_policy": "hard"}, "gate_policy='hard'; allowed are learned, soft"),
        ({"frozen_statistics": "none"}, "frozen_statistics='none'; allowed are fixed"),
        ({"gate_units": 0}, "gate_units=0; allowed is 1 to 4096"),
        ({"gate_noise": 1.5}, "gate_noise=1.5; allowed is 0 to 1"),
        ({"gate_noise": float("nan")}, "gate_noise=nan; allowed is 0 to 1"),
        ({"tuned_penalty": -1.0}, "tuned_penalty=-1.0; allowed is 0 or more"),
        (
            {"frozen_statistics": "adapting", "gated_batch_norm": False},
            "frozen_statistics=adapting with gated_batch_norm=False",
        ),
    ],
)
def test_values_that_are_not_allowed_are_refused(options, message):
    with pytest.raises(errors.UsageError, match=message):
        gate_options.GateOptions(**options)


def test_recipe_of_the_paper_has_the_default_gates():
    task = recipes.Task(100, 32 * 32, 3, 32)
    values = recipes.RECIPES["adafilter"](task)
    default = dataclasses.asdict(gate_options.GateOptions())
    assert {"gate_policy", "gate_network", "gate_noise"} <= values.keys() & default
    assert all(values[name] == default[name] for name in values.keys() & default)
