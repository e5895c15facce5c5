"""Every number on the command line is finite and within its bounds."""

import math

import pytest
from absl import flags

from adafilter_tf.cli.flags import define_flags, definition


def make_flags():
    values = flags.FlagValues()
    define_flags(values)
    return values


def names_of(kind):
    values = make_flags()
    return [name for name in values if values[name].flag_type() == kind]


def parse(argument):
    values = make_flags()
    values(["run", argument])
    return values


def test_all_numbers_are_found():
    assert len(names_of("float")) >= 26
    assert len(names_of("int")) >= 20


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-inf", "Infinity", "1e400",
    "1e39", "-1e39", "1" + 400 * "0"])  # fmt: skip
def test_no_float_flag_takes_what_is_not_a_finite_number(text):
    for name in names_of("float"):
        with pytest.raises(flags.IllegalFlagValueError, match=f"--{name}="):
            parse(f"--{name}={text}")


def test_no_float_flag_takes_what_is_not_a_number():
    for name in names_of("float"):
        for text in ("", "abc", "1,5", "1e", "0x1p3", "true"):
            with pytest.raises(flags.IllegalFlagValueError, match=f"--{name}="):
                parse(f"--{name}={text}")


def test_negative_zero_is_zero():
    taken = 0
    for name in names_of("float"):
        try:
            value = parse(f"--{name}=-0")[name].value
        except flags.IllegalFlagValueError:
            continue  # its lower bound is above 0
        assert math.copysign(1.0, value) == 1.0
        taken += 1
    assert taken > 10


@pytest.mark.parametrize("text", ["-1", "-99999999999", "2147483648", "1e3", "1.0",
    "nan", "inf", ""])  # fmt: skip
def test_no_integer_flag_takes_what_is_out_of_range(text):
    for name in names_of("int"):
        with pytest.raises(flags.IllegalFlagValueError, match=f"--{name}="):
            parse(f"--{name}={text}")


def test_bounds_are_part_of_the_range():
    values = flags.FlagValues()
    kinds = definition.Definer(values)
    kinds.float("share", 0.5, "A share.", lower_bound=0.25, upper_bound=0.75)
    kinds.integer("count", 3, "A count.", lower_bound=2, upper_bound=4)
    for text in ("0.25", "0.75"):
        values(["run", f"--share={text}"])
        assert values.share == float(text)
    for text in ("0.24", "0.76"):
        with pytest.raises(flags.IllegalFlagValueError, match=r"\[0.25, 0.75\]"):
            values(["run", f"--share={text}"])
    with pytest.raises(flags.IllegalFlagValueError, match=r"\[2, 4\]"):
        values(["run", "--count=5"])


def test_values_survive_a_flagfile():
    values = parse("--learning_rate=0.1")
    values(["run", "--seed=7", "--layer_decay=0.30000000000000004"])
    again = make_flags()
    lines = [values[name].serialize() for name in ("seed", "layer_decay")]
    assert lines == ["--seed=7", "--layer_decay=0.30000000000000004"]
    again(["run", *lines])
    assert (again.seed, again.layer_decay) == (7, 0.30000000000000004)


def test_colors_are_names_or_six_digits():
    values = parse("--transparency_color=#ff8000")
    assert definition.parse_color(values.transparency_color) == (255, 128, 0)
    default = make_flags()["transparency_color"].default
    assert definition.parse_color(default) == (255, 255, 255)
    for text in ("", "pink", "#ff80", "ff8000", "#ff80001", "#gg0000", "white "):
        with pytest.raises(flags.IllegalFlagValueError, match="--transparency_color="):
            parse(f"--transparency_color={text}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("0.5m", 30)],
)
def test_duration_is_a_number_with_a_unit(text, seconds):
    assert parse(f"--time_limit={text}").time_limit == text
    assert definition.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5m", "10 m", "1h30m", "5d", "m",
    "nan", "inf", "1e3", ".5h", "1" + 400 * "0", "\u0661m"])  # fmt: skip
def test_duration_that_is_none_is_refused(text):
    with pytest.raises(flags.IllegalFlagValueError, match="--time_limit="):
        parse(f"--time_limit={text}")


def test_word_stands_for_a_number_where_it_is_allowed():
    values = parse("--learning_rate=auto")
    assert values.learning_rate == "auto"
    assert values["learning_rate"].serialize() == "--learning_rate=auto"
    for text in ("--learning_rate=Auto", "--learning_rate=", "--layer_decay=auto"):
        with pytest.raises(flags.IllegalFlagValueError, match="--l"):
            parse(text)
