"""Progress over a long list of images: count, images per second, time remaining."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

from adafilter_tf.files.text import format_duration

Row = TypeVar("Row")

_SCREEN_INTERVAL_S = 0.5
_LOG_INTERVAL_S = 10.0


def report_progress(
    rows: Iterable[Row],
    total: int,
    stream: TextIO,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Row]:
    """Yields the same rows and writes the progress.

    A terminal has one line that is updated twice per second. A file has a line
    every ten seconds, so that a log stays readable. Both end with a total.

    Args:
        rows: One per image.
        total: The expected number of rows.
        stream: Such as standard error.
        clock: Returns seconds.
    """
    on_screen = stream.isatty()
    interval = _SCREEN_INTERVAL_S if on_screen else _LOG_INTERVAL_S
    start = first = written = clock()
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        now = clock()
        if count == 1:  # loading and tracing come before the first row
            first = written = now
        elif now - written >= interval and count < total:
            written = now
            rate = (count - 1) / (now - first)
            text = (
                f"{count:,} of {total:,} images, {rate:.1f} images/s, "
                f"{format_duration((total - count) / rate)} remain"
            )
            stream.write(f"\r{text:<70}" if on_screen else f"{text}\n")
            stream.flush()
    seconds = clock() - start
    speed = f", {count / seconds:.1f} images/s" if seconds > 0 else ""
    text = f"{count:,} images in {format_duration(seconds)}{speed}"
    stream.write(f"\r{text:<70}\n" if on_screen else f"{text}\n")
    stream.flush()
