"""Makes TensorFlow's error of a full disk the system's own, which is one line."""

import contextlib
import errno
import os
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def report(path: str | os.PathLike) -> Iterator[None]:
    """A context in which TensorFlow writes files below a path.

    Raises:
        OSError: ENOSPC, when the disk is full.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        reason = os.strerror(errno.ENOSPC)
        if reason not in str(error):
            raise  # another resource
        raise OSError(errno.ENOSPC, reason, os.fspath(path)) from error
