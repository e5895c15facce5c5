"""The writer of a run's TensorBoard folder; a resumed run continues its curves."""

import io
import os
import re
import time
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import summary_v2 as scalar_summary
from tensorboard.util import tensor_util
from tensorflow.core.util import event_pb2

from adafilter_tf.files import full_disk

_EVENTS = re.compile(r"events\.out\.tfevents\.(\d{10,11})\.")


class EventWriter:
    """Writes one event file at a time; everything logged into a folder shares it.

    TensorBoard reads the files of a folder one after the other and never returns to an
    earlier one, so two open files would lose points.

    Args:
        log_dir: Folder of the event files; made by `open`. Only the chief of several
            workers may write there.

    Attributes:
        log_dir: As given.
    """

    def __init__(self, log_dir: str | os.PathLike):
        self.log_dir = str(log_dir)
        self._writer: tf.summary.SummaryWriter | None = None

    def open(self, step: int) -> None:
        """Opens the file; TensorBoard forgets what was written of later steps before.

        It writes a session record, by which TensorBoard knows a restart
        (`SessionLog.START`), so that a curve has each step once. An open file is kept.

        Args:
            step: Number of updates so far.
        """
        started = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        # Points of `step` itself stay, but for those before the first update, which a
        # run without a checkpoint writes again.
        event = event_pb2.Event(
            wall_time=time.time(), step=step + 1 if step else 0, session_log=started
        )
        if self._writer is None:
            _await_next_second(self.log_dir)
        with full_disk.report(self.log_dir):
            writer = self._writer or tf.summary.create_file_writer(self.log_dir)
            self._writer = writer
            # tf.summary has no function for it.
            tf.raw_ops.ImportEvent(
                writer=writer._resource, event=event.SerializeToString()
            )
            writer.flush()

    def close(self) -> None:
        """Closes the file; nothing happens when there is none."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def write(self, summaries: Iterable[summary_pb2.Summary], step: int) -> None:
        """Writes summaries at one step; they are on disk afterwards.

        Args:
            summaries: Made by `make_image` or the functions of TensorBoard's plugins
                whose names end in `_pb`: without an operation of TensorFlow for each,
                which is most of the time of `tf.summary`.
            step: Number of updates.

        Raises:
            OSError: When the disk is full; so does `open`.
        """
        if self._writer is None:
            raise ValueError("The event file is closed; call `open` first.")
        # Messages that follow each other are one message with the values of all.
        merged = b"".join(summary.SerializeToString() for summary in summaries)
        with full_disk.report(self.log_dir), self._writer.as_default(step):
            tf.summary.experimental.write_raw_pb(merged)

    def write_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        """Writes one point of each curve."""
        pairs = scalars.items()
        self.write([scalar_summary.scalar_pb(*pair) for pair in pairs], step)


def _await_next_second(log_dir: str) -> None:
    """Waits while files of this second exist: they may be read in the wrong order.

    Their names begin with the second and go on with a number, of which the shorter one
    need not be the earlier one in the order of the alphabet.
    """
    names = os.listdir(log_dir) if os.path.isdir(log_dir) else []
    found = (_EVENTS.match(name) for name in names)
    newest = max((int(match[1]) for match in found if match), default=0)
    if 0 <= time.time() - newest < 1:
        time.sleep(newest + 1 - time.time())


def make_image(tag: str, pixels: np.ndarray, description: str) -> summary_pb2.Summary:
    """Returns the summary of one picture.

    Args:
        tag: Its name.
        pixels: uint8 [height, width, 3].
        description: Markdown.
    """
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=1)
    height, width, _ = pixels.shape
    content = [str(width), str(height), encoded.getvalue()]
    summary = summary_pb2.Summary()
    summary.value.add(
        tag=tag,
        metadata=image_metadata.create_summary_metadata(
            display_name=None, description=description
        ),
        tensor=tensor_util.make_tensor_proto(content, dtype=tf.string),
    )
    return summary
