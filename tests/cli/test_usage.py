"""The help, and what a mistyped flag is told."""

import pytest
from absl import flags

from adafilter_tf.cli import usage
from adafilter_tf.cli.flags import define_flags


@pytest.fixture
def names():
    values = flags.FlagValues()
    define_flags(values)
    return list(values)


@pytest.mark.parametrize(
    ("arguments", "request_found"),
    [
        ([], None),
        (["--help"], ""),
        (["-h"], ""),
        (["--seed=1", "--help=all"], "all"),
        (["--helpfull"], "all"),
        (["--dataset=--help"], None),
        (["--", "--help"], None),
    ],
)
def test_help_is_found_among_the_arguments(arguments, request_found):
    assert usage.find_request(["run", *arguments]) == request_found


def test_short_help_has_the_first_flags_and_names_the_long_one():
    text = usage.format_help("")
    assert [
        line.split("=")[0].strip() for line in text.splitlines() if line[:4] == "  --"
    ] == [
        *(f"--{name}" for name in usage.FIRST[:-2]),
        "--[no]horizontal_flip",
        "--[no]dry_run",
        "--flagfile",
    ]
    assert "--help=all" in text
    assert "Default: resnet50." in text


def test_long_help_has_every_flag_once(names):
    lines = usage.format_help("all").splitlines()
    heads = [line.split("=")[0].strip() for line in lines if line[:4] == "  --"]
    heads = [head.replace("[no]", "").removeprefix("--") for head in heads]
    assert sorted(heads) == sorted([*names, "flagfile"])
    assert max(map(len, lines)) <= 88


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("learning_rat", "learning_rate"),
        ("nohorizontal_flp", "horizontal_flip"),
        ("batchsize", "batch_size"),
    ],
)
def test_near_flag_is_suggested(names, given, meant):
    message = usage.describe_unknown(given, names)
    assert message == (f"Received --{given}, an unknown flag. Did you mean --{meant}?")


def test_far_flag_names_the_help(names):
    message = usage.describe_unknown("z" * 100_000, names)
    assert len(message) < 300 and message.endswith("See --help.")
