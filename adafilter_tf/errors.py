"""Errors that a user can cause: one line each, with an exit code."""

import errno


class RunError(ValueError):
    """A run that cannot continue: bad data, a foreign checkpoint, a non-finite loss.

    The message is one line: what was received, what is allowed, how to fix it. The
    command line prints it without a traceback and exits with `exit_code`. Any other
    exception is a defect of this package and keeps its traceback.
    """

    exit_code = 1


class NonFiniteError(RunError):
    """A non-finite loss or weight (NaN/Inf)."""


class Preempted(RunError):
    """A run that SIGTERM or SIGINT stopped after it saved a checkpoint."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: the same command resumes


class UsageError(RunError):
    """A command line that asks for something that does not exist."""

    exit_code = 2


def explain(error: BaseException) -> str:
    """Returns an exception's message as one line of bounded length."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    return text or type(error).__name__


def explain_os_error(error: OSError) -> str:
    """Returns what the system could not do, and what helps when its disk is full."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "; make room and give the same command again." if full else "."
    return explain(error) + remedy
