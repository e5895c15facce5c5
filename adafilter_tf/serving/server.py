"""An application on a port of this machine, until a signal ends it."""

import contextlib
import errno
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence

from adafilter_tf import errors

_SHUTDOWN_S = 5


def check_installed(mode: str, packages: Sequence[str]) -> None:
    """Checks that the packages of a mode's extra are there.

    Args:
        mode: The value of --mode, which is also the name of the extra.
        packages: By the names under which they are imported.

    Raises:
        RunError: One is missing.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise errors.RunError(
            f"--mode={mode} needs {' and '.join(missing)}: "
            f"pip install 'adafilter_tf[{mode}]', or pip install {' '.join(packages)}."
        )


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; who connects to it waits for `run`.

    Args:
        host: Name or address of this machine.
        port: 0 takes a free one.

    Raises:
        RunError: The port is in use, or host and port cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise errors.RunError(
                f"--port={port} of {host} is in use: choose another one, or end the "
                "program that has it."
            ) from error
        # `create_server` puts words of its own behind the system's.
        is_of_name = isinstance(error, socket.gaierror) or not error.errno
        reason = errors.explain(error) if is_of_name else os.strerror(error.errno or 0)
        raise errors.RunError(
            f"--host={host} --port={port} cannot be served on ({reason}): choose an "
            "address of this machine, such as 127.0.0.1, and a port above 1023."
        ) from error
    except UnicodeError as error:
        raise errors.RunError(
            f"Received --host={host[:80]}, which is no name of a machine."
        ) from error


def url_of(listener: socket.socket) -> str:
    """Returns the URL of a socket, without a slash behind it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """SIGTERM ends the program with exit code 0, as one that serves until then.

    Raises:
        KeyboardInterrupt: After SIGINT, with a message.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Interrupted.") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def run(app, listener: socket.socket, *, max_connections: int | None = None) -> None:
    """Answers requests until SIGTERM or SIGINT.

    Args:
        app: By the ASGI protocol.
        listener: See `bind`.
        max_connections: More are answered by 503; None for any number.

    Raises:
        KeyboardInterrupt: After SIGINT, once open requests have their answers or five
            seconds have passed.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        limit_concurrency=max_connections,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[listener])
