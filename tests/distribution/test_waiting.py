"""What a worker says while others are missing."""

import re
import signal
import socket
import time

import pytest

from adafilter_tf.distribution import waiting


@pytest.fixture
def addresses():
    """One at which something answers, and one at which nothing does."""
    with socket.create_server(("localhost", 0)) as open_port:
        with socket.create_server(("localhost", 0)) as closed_port:
            ports = [each.getsockname()[1] for each in (open_port, closed_port)]
        yield [f"localhost:{port}" for port in ports]


def test_the_missing_are_named_until_all_are_there(addresses, capfd):
    handler = signal.getsignal(signal.SIGINT)
    with waiting.report_missing_workers(addresses, every=0.1):
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        said, deadline = "", time.monotonic() + 600
        while said.count("\n") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            said += capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) == handler
    for line in said.splitlines():
        assert re.fullmatch(
            rf"Waiting for all workers since \d+ s: nothing answers at {addresses[1]}. "
            "Start the same command there, or end this one.",
            line,
        )
    capfd.readouterr()
    time.sleep(0.3)
    assert capfd.readouterr().err == ""


def test_many_missing_are_counted(addresses):
    line = waiting.describe(7 * addresses[1:], 90)
    assert line.count(addresses[1]) == 5
    assert "since 90 s" in line and " and 2 more. Start" in line


def test_who_answers_is_not_missing(addresses):
    assert "something answers at each address" in waiting.describe(addresses[:1], 60)
    assert "nothing answers at [::1]:99999." in waiting.describe(["[::1]:99999"], 60)
