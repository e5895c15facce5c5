"""The program `adafilter`: a command for each mode of `python -m adafilter_tf.run`.

    adafilter train photos
    adafilter predict runs/photos a.jpg b.png

What stands in place of flags is named here; all flags remain.
"""

import dataclasses
import pathlib
import re
import sys
import textwrap
from collections.abc import Sequence

from absl import app, flags

from adafilter_tf import errors
from adafilter_tf.cli import entry, usage
from adafilter_tf.cli import flags as run_flags


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of the program.

    Attributes:
        mode: Value of --mode.
        words: The flags that words stand for, in order.
        text: What it does, one line.
        required: How many words it needs.
        suffix: Of the default --output_dir, runs/<name of the data set><suffix>; None
            without such a default.
    """

    mode: str
    words: tuple[str, ...]
    text: str
    required: int = 1
    suffix: str | None = None


COMMANDS = {
    "train": Command("train", ("dataset",), "fine-tunes, tests and exports", 0, ""),
    "inspect": Command(
        "inspect", ("dataset",), "describes a data set", suffix="_inspection"
    ),
    "evaluate": Command(
        "evaluate", ("output_dir", "evaluate_on"), "scores a finished run"
    ),
    "predict": Command("predict", ("output_dir", "images"), "classifies images", 2),
    "explain": Command(
        "explain", ("output_dir", "evaluate_on"), "shows what the gates chose"
    ),
    "export": Command("export", ("output_dir",), "writes the next SavedModel"),
    "serve": Command("serve", ("output_dir",), "serves its export by REST"),
    "demo": Command("demo", ("output_dir",), "opens a page to drop pictures on"),
    "compare": Command("compare", ("runs",), "compares runs, or methods", 0),
    "search": Command(
        "search", ("dataset",), "tunes hyper-parameters", 0, suffix="_search"
    ),
    "find-learning-rate": Command(
        "find_learning_rate",
        ("dataset",),
        "plots the loss over rising rates",
        0,
        suffix="_learning_rates",
    ),
    "import-weights": Command(
        "import_weights", ("backbone", "images"), "fetches ImageNet weights"
    ),
}
_METAVARS = {
    "dataset": "DATA",
    "output_dir": "RUN",
    "backbone": "BACKBONE",
    "evaluate_on": "DATA",
    "images": "IMAGE",
    "runs": "RUN",
}
# The last word of a command, of which there may be several.
_LISTS = ("images", "runs")
_COMPLETION = "completion"
_BASH = """\
_adafilter() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
  elif [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "{flags}" -- "$word"))
    [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace
  fi
}}
complete -o default -F _adafilter adafilter
"""
_SHELLS = {
    "bash": _BASH,
    "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + _BASH,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the program; see `entry.main`."""
    given = list(sys.argv if argv is None else argv)
    name = given[1] if len(given) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        print(describe_commands())
        sys.exit(0)
    try:
        if name == _COMPLETION:
            print(write_completion(given[2:]), end="")
            sys.exit(0)
        if name not in COMMANDS:
            raise errors.UsageError(_describe_unknown(name))
    except errors.UsageError as error:
        entry.exit_with_usage(str(error))
    run_flags.define_flags()
    # Words may stand before, between and behind flags.
    flags.FLAGS.set_gnu_getopt(True)
    app.run(
        entry.main,
        argv=[f"adafilter {name}", *map(find_config, given[2:])],
        flags_parser=lambda words: _parse(words, COMMANDS[name]),
    )


def describe_commands() -> str:
    """Returns the help of the program."""
    lines = ["Fine-tunes image classifiers, uses and compares them.", ""]
    for name, command in COMMANDS.items():
        lines.append(f"  {f'adafilter {name} {_describe_words(command)}':46}"
                     f"{command.text}")  # fmt: skip
    lines += [
        "",
        "DATA is a folder with a folder of images per class, or any other --dataset.",
        "RUN is a folder that `train` wrote, by default runs/<name of DATA>.",
        "`adafilter train --help` lists flags, --help=all all of them;",
        *textwrap.wrap(
            "--flagfile=NAME reads flags from a file, or from a packaged one: "
            + ", ".join(list_configs()) + ".", 79,
        ),
        f"`adafilter {_COMPLETION} bash` (or zsh) prints the shell's completion.",
    ]  # fmt: skip
    return "\n".join(lines)


def _describe_words(command: Command) -> str:
    parts = []
    for place, name in enumerate(command.words):
        word = _METAVARS[name] + "..." * (name in _LISTS)
        parts.append(word if place < command.required else f"[{word}]")
    return " ".join(parts)


def _describe_unknown(name: str) -> str:
    near = usage.find_near(name, list(COMMANDS))
    remedy = f"did you mean {near}?" if near else f"commands are {', '.join(COMMANDS)}."
    return f"Received {name[:200]!r}, which is no command; {remedy}"


def _parse(argv: list[str], command: Command) -> list[str]:
    """Parses the flags, and the words as the flags that they stand for."""
    return entry.parse(argv, lambda rest: _take_words(flags.FLAGS, rest, command))


def _take_words(
    values: flags.FlagValues, words: Sequence[str], command: Command
) -> None:
    """Gives flags the values of the words that stand for them."""
    values["mode"].parse(command.mode)
    names = list(command.words)
    many = not {*names}.isdisjoint(_LISTS)
    if len(words) > len(names) and not many:
        raise errors.UsageError(
            f"Received {words[len(names)][:200]!r}, an unexpected argument; the "
            f"command takes {_describe_words(command) or 'flags alone'}."
        )
    for name, word in zip(names, words, strict=False):
        if values[name].present:
            raise errors.UsageError(
                f"Received {word[:200]!r} and --{name}; give one of the two."
            )
        if name in _LISTS:
            # A list's own form has no comma within a name.
            values[name].parse(list(words[len(names) - 1 :]))
        else:
            values[name].parse(word)
    missing = [n for n in names[: command.required] if not values[n].present]
    if missing:
        raise errors.UsageError(
            f"{_METAVARS[missing[0]]} is missing; the command is adafilter "
            f"{command.mode.replace('_', '-')} {_describe_words(command)}"
        )
    if command.suffix is not None and not values.output_dir and not values.dry_run:
        values["output_dir"].parse(f"runs/{name_data(values.dataset)}{command.suffix}")


def name_data(dataset: str) -> str:
    """Returns a name for a data set in file names.

    Example:
        >>> name_data("folder:/home/me/My photos/"), name_data("csv:list.csv")
        ('My_photos', 'list')
    """
    kind, colon, rest = dataset.partition(":")
    path = pathlib.PurePath(rest if colon and len(kind) > 1 else dataset)
    name = path.stem if path.suffix in (".csv", ".parquet") else path.name
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "data"


def _config_folder() -> pathlib.Path:
    package = pathlib.Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def list_configs() -> list[str]:
    """Returns the names of the packaged flagfiles."""
    return sorted(path.stem for path in _config_folder().glob("*.cfg"))


def find_config(word: str) -> str:
    """Returns an argument with the path of a packaged flagfile for its name."""
    name = word.removeprefix("--flagfile=")
    if name == word or pathlib.Path(name).exists() or name not in list_configs():
        return word
    return f"--flagfile={_config_folder() / name}.cfg"


def write_completion(arguments: Sequence[str]) -> str:
    """Returns a shell's completion of commands and flags.

    Args:
        arguments: The name of the shell.

    Raises:
        UsageError: It is not one of those that are known.
    """
    if len(arguments) != 1 or arguments[0] not in _SHELLS:
        raise errors.UsageError(
            f"Received {' '.join(arguments)!r}; the completion is that of "
            f"{' or '.join(_SHELLS)}."
        )
    values = flags.FlagValues()
    run_flags.define_flags(values)
    words = [f"--{name}" if values[name].boolean else f"--{name}=" for name in values]
    words += [f"--no{name}" for name in values if values[name].boolean]
    return _SHELLS[arguments[0]].format(
        commands=" ".join([*COMMANDS, _COMPLETION]),
        flags=" ".join([*words, "--flagfile=", "--help"]),
    )
