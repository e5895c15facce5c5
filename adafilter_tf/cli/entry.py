"""Parses the command line and runs a mode; ends with one line on what a user can fix.

Flags are parsed and checked before Keras and TensorFlow are imported, which takes
seconds: a mode's module is imported when it runs.
"""

import importlib
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from absl import flags, logging

from adafilter_tf import errors
from adafilter_tf.cli import checks, log_lines, usage

FLAGS = flags.FLAGS


def parse(
    argv: list[str], take_words: Callable[[list[str]], None] | None = None
) -> list[str]:
    """Parses the flags; a wrong one ends with exit code 2 and one line.

    Args:
        argv: The command line, with the program's name.
        take_words: Gets what is no flag; None takes nothing but flags.
    """
    topic = usage.find_request(argv)
    if topic is not None:
        print(usage.format_help(topic))
        sys.exit(0)
    try:
        rest = FLAGS(argv)
        if take_words is not None:
            take_words(rest[1:])
        elif len(rest) > 1:
            raise errors.UsageError(
                f"Received {rest[1][:200]!r}, an unexpected argument; flags are "
                "--name=value, one per line in a flagfile."
            )
        for name in FLAGS:
            if "\0" in str(FLAGS[name].value):
                raise errors.UsageError(f"Received a NUL byte in --{name}.")
        checks.check_flags(FLAGS)
    except errors.UsageError as error:
        exit_with_usage(str(error))
    except flags.UnrecognizedFlagError as error:
        exit_with_usage(usage.describe_unknown(error.flagname, list(FLAGS)))
    # absl meets a file that is no text with a UnicodeDecodeError, and looks for flags
    # that are like an unknown one by a recursion as deep as that one is long.
    except (flags.Error, OSError, ValueError, RecursionError) as error:
        exit_with_usage(f"{errors.explain(error)}. See --help.")
    return rest


def exit_with_usage(message: str) -> NoReturn:
    """Ends the program with one line and exit code 2."""
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(errors.UsageError.exit_code)


def main(argv: list[str]) -> None:
    """Runs the mode; an error that the user can fix is one line without traceback."""
    del argv
    logging.set_verbosity(logging.INFO)
    log_lines.use()
    try:
        run_mode(FLAGS)
    except errors.RunError as error:
        prefix = "" if isinstance(error, errors.Preempted) else "Error: "
        print(f"{prefix}{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        logging.debug("Where it happened:", exc_info=True)
        print(f"Error: {errors.explain_os_error(error)}", file=sys.stderr)
        sys.exit(errors.RunError.exit_code)
    except KeyboardInterrupt as error:
        resumes = "Interrupted; the same command resumes from the last checkpoint."
        print(str(error) or resumes, file=sys.stderr)
        sys.exit(130)


def run_mode(values: flags.FlagValues) -> None:
    """Runs the mode that flags choose.

    Args:
        values: Parsed and checked.

    Raises:
        RunError: What a user can fix.
    """
    started = time.monotonic()
    importlib.import_module("adafilter_tf.cli.startup")  # before any TensorFlow
    settings = importlib.import_module("adafilter_tf.cli.settings")
    settings.check_backend()
    settings.place_data(values)
    if values.mode == "train":
        settings.resolve_defaults(values)
    name = "dry_run" if values.dry_run else values.mode
    if values.mode == "compare" and values.runs:
        name = "compare_runs"
    mode = importlib.import_module(f"adafilter_tf.cli.modes.{name}")
    if name == "train":
        mode.run(values, started)
    else:
        mode.run(values)
