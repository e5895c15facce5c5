"""The command line: python -m adafilter_tf.run --flagfile=configs/quickstart.cfg."""

import logging as std_logging
import sys

import adafilter_tf.cli.startup  # noqa: F401  # isort: skip - before TensorFlow

import keras
from absl import app, flags, logging

from adafilter_tf import errors
from adafilter_tf.cli import flagfile, settings
from adafilter_tf.cli import flags as run_flags
from adafilter_tf.cli.modes import (
    compare,
    dry_run,
    evaluate,
    explain,
    export,
    find_learning_rate,
    inspect,
    predict,
    search,
    train,
)
from adafilter_tf.files import untrusted

FLAGS = flags.FLAGS

MODES = {
    "train": train.run,
    "inspect": inspect.run,
    "evaluate": evaluate.run,
    "predict": predict.run,
    "explain": explain.run,
    "export": export.run,
    "compare": compare.run,
    "find_learning_rate": find_learning_rate.run,
    "search": search.run,
}


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; a wrong one ends with exit code 2 and one line."""
    try:
        rest = FLAGS(argv)
        if len(rest) > 1:
            raise errors.UsageError(
                f"Received {rest[1][:200]!r}, which is no flag; each flag is "
                "--name=value, one a line in a flagfile."
            )
        for name in FLAGS:
            if "\0" in str(FLAGS[name].value):
                raise errors.UsageError(f"Received a NUL byte in --{name}.")
    # absl meets a file that is no text with a UnicodeDecodeError, and looks for flags
    # that are like an unknown one by a recursion as deep as that one is long.
    except (flags.Error, OSError, ValueError, RecursionError) as error:
        message = untrusted.explain(error)
        print(f"Error: {message}. See --help.", file=sys.stderr)
        sys.exit(errors.UsageError.exit_code)
    return rest


def main(argv: list[str]) -> None:
    """Runs the mode; an error that the user can mend is one line without traceback."""
    del argv
    logging.set_verbosity(logging.INFO)
    std_logging.getLogger("tensorflow").setLevel(std_logging.WARNING)
    try:
        if keras.backend.backend() != "tensorflow":
            raise errors.UsageError(
                f"Received KERAS_BACKEND={keras.backend.backend()}; this command needs "
                "tensorflow. The layers, models and methods run on every backend."
            )
        if not FLAGS.output_dir and not FLAGS.dry_run:
            raise errors.UsageError("--output_dir is missing: the folder of the run.")
        if FLAGS.dry_run and FLAGS.mode != "train":
            raise errors.UsageError(
                f"Received --dry_run with --mode={FLAGS.mode}; it tries a training. "
                "Remove one of the two."
            )
        if FLAGS.mode != "compare":
            flagfile.check_unused()
        if FLAGS.mode == "train":
            settings.resolve_defaults(FLAGS)
        if FLAGS.dry_run:
            dry_run.run()
        else:
            MODES[FLAGS.mode]()
    except errors.RunError as error:
        prefix = "" if isinstance(error, errors.Preempted) else "Error: "
        print(f"{prefix}{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        logging.debug("Where it happened:", exc_info=True)
        print(f"Error: {untrusted.explain_os_error(error)}", file=sys.stderr)
        sys.exit(errors.RunError.exit_code)
    except KeyboardInterrupt as error:
        goes_on = "Interrupted; the same command goes on from the last checkpoint."
        print(str(error) or goes_on, file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run_flags.define_flags()
    for module in run_flags.MODULES:
        flags.adopt_module_key_flags(module)
    app.run(main, flags_parser=_parse)
