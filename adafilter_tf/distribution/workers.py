"""Collective calls of a run's workers: broadcast from the chief, any of all.

Only the chief, worker 0, reads and writes the folder of a run; the others have what is
in it from the chief. All workers must ask the same things in the same order.
"""

import contextlib
import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from adafilter_tf import errors
from adafilter_tf.distribution import strategies

# TensorFlow's own groups have small numbers.
_GROUP = 1 << 20
_CHUNK = 1 << 24  # int32 elements, 64 MiB
_ARRAY = "array"
# What a collective operation says when a process at the other end has ended.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.UnavailableError,
)
_FAILURES = {
    error.__name__: error
    for error in (
        errors.RunError,
        errors.NonFiniteError,
        errors.UsageError,
    )
}


class Workers:
    """The processes of a run, of which this is one.

    Collective operations on the CPU, apart from those of training.

    Args:
        strategy: The run's strategy; None for a process that works alone.

    Attributes:
        index: Of this process.
        count: Number of processes.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None):
        self.index, self.count = 0, 1
        if strategy is not None and strategies.is_multi_worker(strategy):
            resolver = strategy.cluster_resolver
            jobs = resolver.cluster_spec().as_dict()
            self.count = sum(len(addresses) for addresses in jobs.values())
            before = len(jobs.get("chief", []))
            self.index = resolver.task_id + before * (resolver.task_type == "worker")
        self._keys = itertools.count(1)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that leaves artefacts."""
        return self.index == 0

    def any_worker(self, *answers: bool) -> tuple[bool, ...]:
        """Returns for each question whether any worker says yes."""
        if self.count == 1:
            return answers
        return tuple(bool(total) for total in self._sum([int(a) for a in answers]))

    def broadcast_from_chief(self, function: Callable[[], Any]) -> Any:
        """Returns what a function gives on the chief, where alone it is called.

        Args:
            function: Gives JSON's types and numpy arrays in lists and dictionaries;
                other workers than the chief get tuples as lists.

        Raises:
            RunError: On all workers, when the function raised one on the chief; on the
                others also when it raised an OSError there.
        """
        if self.count == 1:
            return function()
        value, failure = None, None
        if self.is_chief:
            try:
                value = function()
            except (errors.RunError, OSError) as error:
                failure = error
        name = type(failure).__name__ if failure else None
        if isinstance(failure, OSError):
            value = errors.explain_os_error(failure)
        elif failure:
            value = str(failure)
        content = _encode([name, value])
        name, received = _decode(self._broadcast(content if self.is_chief else None))
        if failure is not None:
            raise failure
        if name is not None:
            raise _FAILURES.get(name, errors.RunError)(received)
        return value if self.is_chief else received

    def end_together(self, failure: errors.RunError | None) -> None:
        """Ends all workers when one of them cannot continue.

        Args:
            failure: Of this worker; None when it can.

        Raises:
            RunError: The failure, or that another worker has one.
        """
        (ended,) = self.any_worker(failure is not None)
        if failure is not None:
            raise failure
        if ended:
            raise errors.RunError(
                "Another worker cannot go on; its own message says why."
            )

    @contextlib.contextmanager
    def report_lost(self):
        """Returns a context in which a lost worker is an error of one line.

        Raises:
            RunError: When another worker has ended without a word.
        """
        try:
            yield
        except _LOST as error:
            if self.count == 1:
                raise
            raise errors.RunError(
                f"Another worker of the {self.count} is gone "
                f"({type(error).__name__}); its own log says why. Start all workers "
                "again with the same command: the run resumes from the last checkpoint."
            ) from error

    def _sum(self, values: list[int]) -> list[int]:
        with tf.device("CPU:0"):
            total = tf.raw_ops.CollectiveReduceV2(
                input=tf.constant(values, tf.int32),
                group_size=self.count,
                group_key=_GROUP,
                instance_key=next(self._keys),
                ordering_token=[],
                merge_op="Add",
                final_op="Id",
                communication_hint="ring",
            )
        return total.numpy().tolist()

    def _broadcast(self, content: bytes | None) -> bytes:
        sent = np.frombuffer(content or b"", np.int32)
        (length,) = self._sum([len(sent)])
        parts = []
        for start in range(0, length, _CHUNK):
            options = {
                "group_size": self.count,
                "group_key": _GROUP,
                "instance_key": next(self._keys),
            }
            with tf.device("CPU:0"):
                if content is not None:
                    part = tf.constant(sent[start : start + _CHUNK])
                    tf.raw_ops.CollectiveBcastSendV2(input=part, **options)
                else:
                    shape = [min(_CHUNK, length - start)]
                    part = tf.raw_ops.CollectiveBcastRecvV2(
                        T=tf.int32, shape=shape, **options
                    )
            parts.append(part.numpy().tobytes())
        return b"".join(parts)


ALONE = Workers()
"""A process without others."""


def _encode(value: Any) -> bytes:
    """Returns a whole number of four bytes; JSON with its arrays beside it."""
    arrays = []

    def note(item):
        if not isinstance(item, np.ndarray):
            raise TypeError(
                f"Received {type(item)}; allowed are JSON and numpy arrays."
            )
        arrays.append(item)
        return {_ARRAY: len(arrays) - 1}

    text = json.dumps(value, default=note).encode()
    file = io.BytesIO()
    np.savez(file, np.frombuffer(text, np.uint8), *arrays)
    content = file.getvalue()
    size = len(content).to_bytes(8, "little")
    return size + content + bytes(-len(content) % 4)


def _decode(content: bytes) -> Any:
    size = int.from_bytes(content[:8], "little")
    with np.load(io.BytesIO(content[8 : 8 + size]), allow_pickle=False) as archive:
        text, *arrays = [archive[f"arr_{i}"] for i in range(len(archive.files))]

    def restore(item):
        return arrays[item[_ARRAY]] if item.keys() == {_ARRAY} else item

    return json.loads(text.tobytes(), object_hook=restore)
