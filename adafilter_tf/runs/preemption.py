"""Graceful shutdown on SIGTERM and SIGINT."""

import signal


class Preemption:
    """Within its context SIGTERM and SIGINT are noted instead of ending the process.

    A second SIGINT interrupts at once.

    Attributes:
        signal: The first signal that came; None while there was none.
    """

    def __init__(self):
        self.signal: int | None = None
        self._previous = {}

    def is_requested(self) -> bool:
        """Returns whether a signal has come."""
        return self.signal is not None

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        del frame
        if number == signal.SIGINT and self.signal is not None:
            raise KeyboardInterrupt
        self.signal = self.signal or number
