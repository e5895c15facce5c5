"""The errors that a user can meet: one line each, with an exit code."""


class RunError(ValueError):
    """A run that cannot go on: bad data, a foreign checkpoint, a non-finite loss.

    The message is one line: what was received, what is allowed, how to fix it. The
    command line prints it without a traceback and exits with `exit_code`. Any other
    exception is a defect of ours and keeps its traceback.
    """

    exit_code = 1


class NonFiniteError(RunError):
    """A loss or a weight that is no finite number."""


class Preempted(RunError):
    """A run that was asked to end and has saved where it stands."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: the same command goes on


class UsageError(RunError):
    """A command line that asks for something that does not exist."""

    exit_code = 2
