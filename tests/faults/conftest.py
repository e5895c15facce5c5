"""How much each test does, and what all of them counted.

`make test` runs a small part. `make faults` runs everything and prints the counts.
"""

import json
import os

import pytest
from absl import flags
from absl.testing import flagsaver

from adafilter_tf import flags as run_flags
from adafilter_tf import run
from tests.faults import counting

WHOLE = os.environ.get("ADAFILTER_FAULTS") == "whole"

_COUNTS = {}


@pytest.fixture
def amount():
    """Function that chooses between the whole number and the small one."""
    return lambda whole, small: whole if WHOLE else small


@pytest.fixture
def count(request):
    """The counts of one test, which are printed at the end."""
    name = request.node.name.removeprefix("test_")
    return _COUNTS.setdefault(name, counting.Count())


@pytest.fixture
def command(capfd):
    """The command line in this process: gives exit code and errors."""
    if "mode" not in flags.FLAGS:
        run_flags.define_flags()

    def call(*arguments):
        capfd.readouterr()
        code = 0
        with flagsaver.flagsaver():
            flags.FLAGS.unparse_flags()
            try:
                run.main(run._parse(["run", *map(str, arguments)]))
            except SystemExit as error:
                code = error.code
        return code, capfd.readouterr().err

    yield call
    flags.FLAGS.mark_as_parsed()


def pytest_terminal_summary(terminalreporter):
    if WHOLE and _COUNTS:
        counts = {name: count.to_json() for name, count in _COUNTS.items()}
        terminalreporter.write_line(json.dumps(counts, indent=2))
