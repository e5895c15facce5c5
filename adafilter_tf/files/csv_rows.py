"""Rows of CSV that are read back as they were written, whatever a file name holds."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TextIO


class RowWriter:
    r"""Writes rows that end in `\n`, with a carriage return in quotes.

    Python's writer before 3.13 quotes only the line ends that it writes itself, so that
    a name with `\r` broke its row in two.

    Example:
        >>> stream = io.StringIO()
        >>> RowWriter(stream).writerow(["a\rb", 1])
        >>> stream.getvalue()
        '"a\rb",1\n'
    """

    def __init__(self, stream: TextIO):
        """Writes to `stream`, which translates no line ends."""
        self._stream = stream
        self._row = io.StringIO()
        self._writer = csv.writer(self._row, lineterminator="\r\n")

    def writerow(self, row: Iterable) -> None:
        """Writes one row."""
        self._row.seek(0)
        self._row.truncate()
        self._writer.writerow(row)
        self._stream.write(self._row.getvalue().removesuffix("\r\n") + "\n")

    def writerows(self, rows: Iterable[Sequence]) -> None:
        """Writes several rows."""
        for row in rows:
            self.writerow(row)
