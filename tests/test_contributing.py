"""Does what CONTRIBUTING.md says for a new flag; the files it names exist."""

import pathlib
import types

import pytest
from absl import flags

from adafilter_tf.cli import flagfile
from adafilter_tf.cli import flags as flags_lib

ROOT = pathlib.Path(__file__).parents[1]


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for path in (
        "adafilter_tf/cli/flags",
        "adafilter_tf/data/sources",
        "adafilter_tf/models/backbones/registry.py",
        "tests/methods/test_methods.py",
        "tests/models/backbones/test_families.py",
    ):
        assert path in text and (ROOT / path).exists(), path
    for path in (
        "cli/flagfile.py",
        "cli/flags/method_flags.py",
        "cli/settings.py",
        "cli/trial.py",
        "data/sources/registry.py",
        "methods/__init__.py",
        "methods/bn_only.py",
        "models/conversion.py",
    ):
        assert path in text and (ROOT / "adafilter_tf" / path).exists(), path


def test_a_flag_is_defined_once_and_belongs_to_the_run(monkeypatch):
    def define(kinds):
        kinds.integer("restarts", 0, "How often the schedule restarts.", lower_bound=0)

    topic = types.SimpleNamespace(define=define)
    monkeypatch.setitem(flags_lib.TOPICS, "Schedule", topic)
    values = flags.FlagValues()
    flags_lib.define_flags(values)

    with pytest.raises(flags.IllegalFlagValueError, match="restarts"):
        values(["run", "--restarts=-1"])
    values(["run", "--restarts=2"])
    assert values.restarts == 2
    assert "--restarts=2" in flagfile.to_flagfile(values).splitlines()
    unrecorded = (*flagfile.UNRECORDED, "restarts")
    monkeypatch.setattr(flagfile, "UNRECORDED", unrecorded)
    assert "restarts" not in flagfile.to_flagfile(values)
