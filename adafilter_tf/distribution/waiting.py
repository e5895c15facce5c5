"""Reports which workers a worker still waits for.

TensorFlow waits for the workers of a run in native code, in which no thread of Python
and no handler of a signal runs. So this file is also a program: a process beside the
worker that says every minute at which addresses nothing answers, until its standard
input is closed, by the worker or by the worker's end.
"""

import contextlib
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

_SECONDS = 60.0
_MAX_NAMES = 5


@contextlib.contextmanager
def report_missing_workers(
    addresses: Sequence[str], every: float = _SECONDS
) -> Iterator:
    """A context in which standard error says who is missing; Ctrl-C ends it at once.

    Args:
        addresses: "host:port" of the workers that are waited for.
        every: Seconds between two lines, and before the first.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-I", __file__, str(every), *addresses]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE):  # closes and waits
            yield
    finally:
        signal.signal(signal.SIGINT, before)


def describe(addresses: Sequence[str], seconds: float) -> str:
    """Returns the line that is said after so many seconds."""
    missing = [address for address in addresses if not _answers(address)]
    more = len(missing) - _MAX_NAMES
    names = ", ".join(missing[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
    what = (
        f"nothing answers at {names}. Start the same command there"
        if missing
        else "something answers at each address. Look at the logs of the others"
    )
    return f"Waiting for all workers since {seconds:.0f} s: {what}, or end this one."


def _answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except (OSError, OverflowError):
        return False
    return True


def _main(every: str, *addresses: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal, for the worker
    start = time.monotonic()
    while not select.select([sys.stdin], [], [], float(every))[0]:
        line = describe(addresses, time.monotonic() - start)
        sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
