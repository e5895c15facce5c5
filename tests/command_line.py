"""The command line in this process."""

from absl import flags
from absl.testing import flagsaver

from adafilter_tf import run
from adafilter_tf.cli import flags as run_flags

if "mode" not in flags.FLAGS:
    run_flags.define_flags()


def call(capfd, *arguments):
    """Runs the command line; gives exit code, output and errors."""
    capfd.readouterr()
    code = 0
    try:
        with flagsaver.flagsaver():
            flags.FLAGS.unparse_flags()
            try:
                run.main(run.parse(["run", *map(str, arguments)]))
            except SystemExit as error:
                code = error.code
    finally:
        flags.FLAGS.mark_as_parsed()
    out, err = capfd.readouterr()
    return code, out, err


def assert_error(result, code, *parts):
    """Checks that a call ended with this exit code and one line with these parts."""
    found, _, err = result
    line = err.strip().splitlines()[-1]
    assert line.startswith("Error: "), err
    assert "Traceback" not in err
    for part in parts:
        assert part in line
    assert found == code
