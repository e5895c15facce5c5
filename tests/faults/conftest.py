"""How much each test does, and what all of them counted.

`make test` runs a small part. `make faults` runs everything and prints the counts.
"""

import json
import os

import pytest

from tests.command_line import call
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

    def run(*arguments):
        code, _, err = call(capfd, *arguments)
        return code, err

    return run


def pytest_terminal_summary(terminalreporter):
    if WHOLE and _COUNTS:
        counts = {name: count.to_json() for name, count in _COUNTS.items()}
        terminalreporter.write_line(json.dumps(counts, indent=2))
