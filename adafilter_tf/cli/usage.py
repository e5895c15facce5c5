"""The help: the flags that people need first, or all of them, topic by topic."""

import difflib
import textwrap
from collections.abc import Sequence

from absl import flags

from adafilter_tf.cli.flags import TOPICS, definition

FIRST = (
    "dataset",
    "output_dir",
    "mode",
    "backbone",
    "method",
    "epochs",
    "time_limit",
    "batch_size",
    "learning_rate",
    "horizontal_flip",
    "dry_run",
)
_WIDTH = 88
_INTRODUCTION = """\
Fine-tunes an image classifier filter by filter (AdaFilter), evaluates and exports it.

    python -m adafilter_tf.run --dataset=folder:PATH --output_dir=runs/mine
    python -m adafilter_tf.run --flagfile=configs/digits.cfg
"""
_FLAGFILE = (
    "  --flagfile=PATH\n      Reads flags from a file, one --name=value per line.\n"
)


def find_request(argv: Sequence[str]) -> str | None:
    """Returns which help a command line asks for: "", "all" or None for no help."""
    for argument in argv[1:]:
        if argument == "--":
            return None
        name, _, value = argument.partition("=")
        if name in ("-h", "--help", "-help", "-?", "--helpshort"):
            return "all" if value == "all" else ""
        if name in ("--helpfull", "-helpfull"):
            return "all"
    return None


def format_help(which: str) -> str:
    """Returns the help's text.

    Args:
        which: "" for the flags in `FIRST`, "all" for all of them by topic.
    """
    if which != "all":
        values = flags.FlagValues()
        for module in TOPICS.values():
            module.define(definition.Definer(values))
        parts = [_describe(values[name]) for name in FIRST]
        rest = f"--help=all lists all {len(list(values))} flags by topic."
        return "\n".join([_INTRODUCTION, *parts, _FLAGFILE, rest])
    parts = [_INTRODUCTION, _FLAGFILE]
    for topic, module in TOPICS.items():
        values = flags.FlagValues()
        module.define(definition.Definer(values))
        lines = [_describe(flag) for flag in map(values.__getitem__, values)]
        parts.append(f"{topic}\n\n" + "\n".join(lines))
    return "\n".join(parts)


def describe_unknown(name: str, known: Sequence[str]) -> str:
    """Returns the message for a flag that does not exist.

    Args:
        name: As it was given.
        known: All flags.
    """
    shown = name[:200]
    near = find_near(name, known)
    remedy = f"Did you mean --{near}?" if near else "See --help."
    return f"Received --{shown}, an unknown flag. {remedy}"


def find_near(name: str, known: Sequence[str]) -> str | None:
    """Returns the known name that is most like a mistyped one, None without any."""
    shown = name[:100]
    names = {shown, shown.removeprefix("no")}
    near = [each for name in names for each in difflib.get_close_matches(name, known)]
    if not near:
        return None
    return max(
        near, key=lambda each: difflib.SequenceMatcher(None, shown, each).ratio()
    )


def _describe(flag: flags.Flag) -> str:
    allowed = getattr(flag.parser, "enum_values", None)
    kind = "|".join(allowed) if allowed else flag.flag_type().upper()
    head = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}={kind}"
    text = flag.help.split(">: ", 1)[-1] if allowed else flag.help
    default = "" if flag.default in (None, [], "") else f" Default: {_write(flag)}."
    indent = " " * 6
    text = textwrap.fill(
        " ".join(text.split()) + default,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    # Many values are broken behind a bar.
    head = textwrap.fill(
        head.replace("|", "| "),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("| ", "|")
    return f"{head}\n{text}\n"


def _write(flag: flags.Flag) -> str:
    if flag.boolean:
        return "on" if flag.default else "off"
    default = flag.default
    return ",".join(default) if isinstance(default, list) else str(default)
